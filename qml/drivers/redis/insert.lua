-- All rows or none. Order: rows, each with all columns. Answer: the first seq, and the others follow
-- it; or obstacles, each with its index, "id" or "key", and the id that holds it.

if past then
  return past
end

local rows, obstacles, ids, keys = {}, {}, {}, {}
for index, values in ipairs(ORDER) do
  local row = named(values, COLUMNS)
  local unique_key = held_key(row)
  local by, found
  if ids[row.id] or redis.call('EXISTS', key('job:' .. row.id)) == 1 then
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

-- The counter vanished, and seqs must not be used again.
if redis.call('EXISTS', key('seq')) == 0 then
  local last = redis.call('ZREVRANGE', key('all'), 0, 0)[1]
  if last then
    redis.call('SET', key('seq'), string.format('%.0f', string.sub(last, 1, SEQ)))
  end
end

-- A write that takes memory: a full server refuses it, and with it the whole batch.
local first = redis.call('INCRBY', key('seq'), #rows) - #rows + 1
local columns = {unpack(COLUMNS)}
columns[#columns + 1] = 'ripe'
for place_in_batch, row in ipairs(rows) do
  row.seq = string.format('%016.0f', first + place_in_batch - 1)
  row.ripe = ripe_for(row.due_at)
  save(row, columns)
  place(nil, row)
end
return answer(list({string.format('"%.0f"', first), '[]'}))
