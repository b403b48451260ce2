-- All rows or none, and a record with them. Order: rows, each with all columns; and the record's
-- name, body and expected version, or null. Answer: the first seq, and the others follow it; or
-- obstacles, each with its index, what it is ("id", "key", "record"), and the id that holds it or
-- the record's name.

if past then
  return past
end

local ordered, record = unpack(ORDER)
local rows, obstacles, ids, keys = {}, {}, {}, {}
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

-- The first write takes memory: a full server refuses it, and with it the whole batch.
local first = #rows > 0 and append(rows) or '0'
if record ~= cjson.null then
  store_record(record[1], raised(record[3]), record[2])
end
return answer(list({'"' .. first .. '"', '[]'}))
