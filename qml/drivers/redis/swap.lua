-- Guarded changes, each for itself. Order: moves and rewrites as qml.drivers.redis.texts writes
-- them. Answer: a letter per change, see VERDICTS there.

if past then
  return past
end

local MOVED = {
  'state', 'detail', 'failures', 'attempt', 'max_attempts', 'ahead', 'due_at', 'finished_at',
  'purge_at', 'key_held',
}
local SAVED = {
  'version', 'state', 'detail', 'failures', 'attempt', 'max_attempts', 'ahead', 'due_at', 'ripe',
  'finished_at', 'purge_at', 'key_held', 'locked_by', 'lease_until',
}
local TALLIED = {'batch', 'counts', 'awaits', 'needs_all'}
local STAYS = {notes = true, batch = true, counts = true, awaits = true, needs_all = true}
local LEASE = {'worker', 'locked_by', 'lease_until'}

local function moved(row, values)
  local move = named(values, MOVED)
  local new = copy(row)
  for _, column in ipairs(MOVED) do
    new[column] = move[column]
  end
  new.version = raised(row.version)
  new.key_held = move.key_held or row.key_held
  if values[#MOVED + 1] == '1' then
    new.locked_by, new.lease_until = nil, nil
  end
  return new, SAVED
end

local function rewritten(row, values, keeps_lease, keeps_payload)
  local new = named(values, COLUMNS)
  new.seq = row.seq
  for _, column in ipairs(TALLIED) do
    new[column] = row[column]
  end
  new.shares = shares(new)
  if keeps_lease == '1' then
    for _, column in ipairs(LEASE) do
      new[column] = row[column]
    end
  end
  local columns = {'ripe', 'shares'}
  for _, column in ipairs(COLUMNS) do
    if not STAYS[column] and (column ~= 'payload' or keeps_payload ~= '1') then
      columns[#columns + 1] = column
    end
  end
  return new, columns
end

-- The rows that follow, but those whose id is taken.
local function follow(rows)
  for _, values in ipairs(rows) do
    local row = named(values, COLUMNS)
    if not is_stored(row.id) then
      append({row})
    end
  end
end

local function change(order)
  local kind, id, seq, version, lapsed_by, values = unpack(order)
  local row = read(id)
  if not row then
    return 'g'
  end
  if (seq ~= cjson.null and seq ~= row.seq) or version ~= row.version then
    return 's'
  end
  if lapsed_by ~= cjson.null and (not row.lease_until or row.lease_until > lapsed_by) then
    return 's'
  end
  local new, columns
  if kind == 'move' then
    new, columns = moved(row, values)
  else
    new, columns = rewritten(row, values, order[7], order[8])
  end
  if other_holder(held_key(new), id) then
    return 't'
  end
  new.ripe = row.ripe
  if new.due_at ~= row.due_at then
    new.ripe = ripe_for(new.due_at)
  end
  begin()
  if kind == 'move' then
    follow(order[7])
  end
  save(new, columns)
  place(row, new)  -- last: a follower may be one more of a batch that this end would end
  return 'd'
end

return each(change)
