-- Longer leases, and locks. Order: holds, each id, seq, worker, fence, now, until, notes. Answer: a
-- letter per hold, as in swap.lua.

if past then
  return past
end

local SAVED = {'version', 'fence', 'worker', 'locked_by', 'lease_until'}
local NOTED = {'notes', unpack(SAVED)}

-- The row as the renewal of a claim leaves it; nil when the claim holds it no more.
local function renewed(row, worker, fence)
  if row.worker == worker and row.fence == fence and row.lease_until and not row.locked_by then
    return copy(row)
  end
end

-- The row as a lock leaves it; nil when another holds it.
local function locked(row, worker, now)
  local new = copy(row)
  if not is_free(row, now) then
    return holder(row) == worker and new or nil
  end
  if is_running(row) then  -- over a lapsed claim, whose hand is stale from now on
    new.worker, new.locked_by = worker, nil
    new.fence, new.version = raised(row.fence), raised(row.version)
  else
    new.locked_by = worker
  end
  return new
end

-- Whether this makes a claim live again that had lapsed, and needs a permit.
local function revives(row, new, now)
  return has_permit(new) and is_free(row, now)
end

local function permitted(row, now)
  local lane = row.lane and lane_of(row.lane)
  local permits = lane and tonumber(lane.permits)
  return not permits or live(row.permit, now) < permits
end

local function hold(order)
  local id, seq, worker, fence, now, until_then, notes = unpack(order)
  local row = read(id)
  if not row then
    return 'g'
  end
  if seq ~= cjson.null and seq ~= row.seq then
    return 's'
  end
  local new
  if fence == cjson.null then
    new = locked(row, worker, now)
  else
    new = renewed(row, worker, fence)
  end
  local revived = new and revives(row, new, now)
  if not new or revived and not permitted(row, now) then
    return 's'
  end
  new.lease_until = until_then
  local columns = SAVED
  if notes ~= cjson.null and fence ~= cjson.null and row.state == 'processing' then
    new.notes, columns = notes, NOTED
  end
  save(new, columns)
  place(row, new)
  if revived and until_then > now then
    put_back(row.permit, now)
  end
  return 'd'
end

return each(hold)
