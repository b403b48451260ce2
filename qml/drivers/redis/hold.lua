-- Longer leases, and locks. Order: holds, each id, seq, worker, fence, now, until, notes. Answer: a
-- letter per hold, as in swap.lua.

if past then
  return past
end

-- The row as the renewal of a claim leaves it; nil when the claim holds it no more.
local function renewed(row, worker, fence)
  if row[COL.worker] == worker and row[COL.fence] == fence and row[COL.lease_until]
    and not row[COL.locked_by] then
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
    new[COL.worker], new[COL.locked_by] = worker, false
    new[COL.fence], new[COL.version] = raised(row[COL.fence]), raised(row[COL.version])
  else
    new[COL.locked_by] = worker
  end
  return new
end

-- Whether this makes a claim live again that had lapsed, and needs a permit.
local function revives(row, new, now)
  return has_permit(new) and is_free(row, now)
end

local function permitted(row, now)
  local lane = row[COL.lane] and lane_of(row[COL.lane])
  local permits = lane and tonumber(lane.permits)
  return not permits or live(row[COL.permit], now) < permits
end

local function hold(order)
  local id, seq, worker, fence, now, until_then, notes = unpack(order)
  local row = read(id)
  if not row then
    return 'g'
  end
  if seq ~= cjson.null and seq ~= row[COL.seq] then
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
  new[COL.lease_until] = until_then
  local texts
  if notes ~= cjson.null and fence ~= cjson.null and row[COL.state] == 'processing' then
    texts = {false, false, false, false, notes}
  end
  save(new, texts)
  place(row, new)
  if revived and until_then > now then
    put_back(row[COL.permit], now)
  end
  return 'd'
end

return each(hold)
