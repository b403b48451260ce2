-- Guarded changes, each for itself. Order: moves and rewrites as qml.drivers.redis.texts writes
-- them. Answer: a letter per change, see VERDICTS there.

if past then
  return past
end

local MOVED = {
  COL.state, COL.attempt, COL.max_attempts, COL.ahead, COL.due_at, COL.finished_at, COL.purge_at,
  COL.key_held,
}
local TALLIED = {COL.batch, COL.counts, COL.awaits, COL.needs_all}
local LEASE = {COL.worker, COL.locked_by, COL.lease_until}

local function moved(row, values, ends_lease)
  local new = copy(row)
  for place = 1, #MOVED do
    new[MOVED[place]] = values[place]
  end
  new[COL.version] = raised(row[COL.version])
  new[COL.key_held] = new[COL.key_held] or row[COL.key_held]
  if ends_lease == '1' then
    new[COL.locked_by], new[COL.lease_until] = false, false
  end
  return new
end

local function rewritten(row, new, keeps_lease)
  new[COL.seq] = row[COL.seq]
  for _, column in ipairs(TALLIED) do
    new[column] = row[column]
  end
  new[COL.shares] = shares(new)
  if keeps_lease == '1' then
    for _, column in ipairs(LEASE) do
      new[column] = row[column]
    end
  end
  return new
end

-- The rows that follow, but those whose id is taken.
local function follow(orders)
  for _, order in ipairs(orders) do
    local row = order[1]
    if not is_stored(row[COL.id]) then
      append({order})
    end
  end
end

local function change(order)
  local kind, id, seq, version, lapsed_by, values, texts, lease = unpack(order)
  local row = read(id)
  if not row then
    return 'g'
  end
  if (seq ~= cjson.null and seq ~= row[COL.seq]) or version ~= row[COL.version] then
    return 's'
  end
  if lapsed_by ~= cjson.null and (not row[COL.lease_until] or row[COL.lease_until] > lapsed_by) then
    return 's'
  end
  local new
  if kind == 'move' then
    new = moved(row, values, lease)
  else
    new = rewritten(row, values, lease)
  end
  if other_holder(held_key(new), id) then
    return 't'
  end
  new[COL.ripe] = row[COL.ripe]
  if new[COL.due_at] ~= row[COL.due_at] then
    new[COL.ripe] = ripe_for(new[COL.due_at])
  end
  begin()
  if kind == 'move' then
    follow(order[9])
  end
  save(new, texts)
  place(row, new)  -- last: a follower may be one more of a batch that this end would end
  return 'd'
end

local verdicts = each(change)
if string.find(verdicts, 'd') then
  hint()
end
return verdicts
