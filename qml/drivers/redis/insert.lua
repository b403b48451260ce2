-- All rows or none, and a record with them. Order: rows, each with its texts; the record's name, body
-- and expected version, or null; and of rows that wait for others their index, the ids of
-- those, and the name of the tally as JSON; no ids = that tally has to be there. Answer: the first
-- seq, and the others follow it; or obstacles, each with its index, what it is ("id", "key",
-- "tally", "record"), and the id that holds it or the name of the tally or record.

if past then
  return past
end

local ordered, record, waits = unpack(ORDER)
local obstacles, ids, keys = {}, {}, {}
for _, wait in ipairs(waits) do
  local awaits = ordered[wait[1] + 1][1][COL.awaits]
  if wait[2] == cjson.null and not tallies().at(awaits) then
    obstacles[#obstacles + 1] = cjson.encode({wait[1], 'tally', awaits})
  end
end
if #obstacles > 0 then
  return list({'""', list(obstacles)})
end
if record ~= cjson.null and record_version(record[1]) ~= record[3] then
  ordered = {}
  obstacles[1] = cjson.encode({'-1', 'record', record[1]})
end
local taken = any_stored(ordered)
for index, order in ipairs(ordered) do
  local id, unique_key = order[1][COL.id], held_key(order[1])
  local by, found
  if ids[id] or taken and is_stored(id) then
    by, found = 'id', id
  elseif unique_key then
    by, found = 'key', keys[unique_key] or other_holder(unique_key)
  end
  if found then
    obstacles[#obstacles + 1] = cjson.encode({tostring(index - 1), by, found})
  else
    ids[id] = true
    if unique_key then
      keys[unique_key] = id
    end
  end
end
if #obstacles > 0 then
  return list({'""', list(obstacles)})
end

-- A row as it is to be stored that waits for others: those that have not finished count from now
-- on. It falls due at once if none is left.
local function attached(row, ids, tally)
  local left, failed = 0, 0
  for _, id in ipairs(ids) do
    local parent = read(id)
    if parent and not parent[COL.finished_at] then
      local new = copy(parent)
      local others = #tallies_of(parent) > 0 and string.match(parent[COL.counts], '^(.*)%]') .. ', '
      new[COL.counts], new[COL.shares] = (others or '[') .. tally .. ']', '1'
      save(new)
      place(parent, new)
      left = left + 1
    elseif not parent or parent[COL.state] ~= 'succeeded' then
      failed = failed + 1
    end
  end
  if left == 0 then
    return tallies().woken(row, failed)
  end
  tallies().close(row[COL.awaits], left, failed)
  return row
end

-- The first write takes memory: a full server refuses it, and with it the whole batch.
begun = true
local first
if #waits == 0 then
  first = #ordered > 0 and append(ordered) or '0'
else
  local after = {}
  for _, wait in ipairs(waits) do
    after[wait[1] + 1] = wait
  end
  for index, order in ipairs(ordered) do
    local row, texts = unpack(order)
    local wait = after[index]
    local is_child = wait and wait[2] ~= cjson.null
    local seq = append({{is_child and attached(row, wait[2], wait[3]) or row, texts}})
    first = first or seq
  end
end
if record ~= cjson.null then
  store_record(record[1], raised(record[3]), record[2])
end
hint()
return answer(list({'"' .. first .. '"', '[]'}))
