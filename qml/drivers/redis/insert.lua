-- All rows or none, and a record with them. Order: rows, each with all columns; the record's name,
-- body and expected version, or null; and of rows that wait for others their index, the ids of
-- those, and the name of the tally as JSON; no ids = that tally has to be there. Answer: the first
-- seq, and the others follow it; or obstacles, each with its index, what it is ("id", "key",
-- "tally", "record"), and the id that holds it or the name of the tally or record.

if past then
  return past
end

local ordered, record, waits = unpack(ORDER)
local rows, obstacles, ids, keys = {}, {}, {}, {}
for _, wait in ipairs(waits) do
  local awaits = named(ordered[wait[1] + 1], COLUMNS).awaits
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
for index, values in ipairs(ordered) do
  local row = named(values, COLUMNS)
  local unique_key = held_key(row)
  local by, found
  if ids[row.id] or is_stored(row.id) then
    by, found = 'id', row.id
  elseif unique_key then
    by, found = 'key', keys[unique_key] or other_holder(unique_key)
  end
  if found then
    obstacles[#obstacles + 1] = cjson.encode({tostring(index - 1), by, found})
  else
    rows[#rows + 1] = row
    ids[row.id] = true
    if unique_key then
      keys[unique_key] = row.id
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
    if parent and not parent.finished_at then
      local new = copy(parent)
      local others = #tallies_of(parent) > 0 and string.match(parent.counts, '^(.*)%]') .. ', '
      new.counts, new.shares = (others or '[') .. tally .. ']', '1'
      save(new, {'counts', 'shares'})
      place(parent, new)
      left = left + 1
    elseif not parent or parent.state ~= 'succeeded' then
      failed = failed + 1
    end
  end
  if left == 0 then
    return tallies().woken(row, failed)
  end
  tallies().close(row.awaits, left, failed)
  return row
end

-- The first write takes memory: a full server refuses it, and with it the whole batch.
begun = true
local first
if #waits == 0 then
  first = #rows > 0 and append(rows) or '0'
else
  local after = {}
  for _, wait in ipairs(waits) do
    after[wait[1] + 1] = wait
  end
  for index, row in ipairs(rows) do
    local wait = after[index]
    local is_child = wait and wait[2] ~= cjson.null
    local seq = append({is_child and attached(row, wait[2], wait[3]) or row})
    first = first or seq
  end
end
if record ~= cjson.null then
  store_record(record[1], raised(record[3]), record[2])
end
return answer(list({'"' .. first .. '"', '[]'}))
