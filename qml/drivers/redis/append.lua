-- New rows, for the scripts that insert them.

local function is_stored(id)
  return redis.call('EXISTS', key('job:' .. id)) == 1
end

-- Whether any of these rows has an id that is stored.
local function any_stored(orders)
  local keys, found = {}, 0
  for at, order in ipairs(orders) do
    keys[#keys + 1] = key('job:' .. order[1][COL.id])
    if #keys == AT_ONCE_MOVED or at == #orders then
      found, keys = found + redis.call('EXISTS', unpack(keys)), {}
    end
  end
  return found > 0
end

-- Where the counter vanished: seqs must not be used again.
local function restore_counter()
  if redis.call('EXISTS', key('seq')) == 0 then
    local last = redis.call('ZREVRANGE', key('all'), 0, 0)[1]
    if last then
      redis.call('SET', key('seq'), string.format('%.0f', string.sub(last, 1, SEQ)))
    end
  end
end

-- Store rows whose ids and keys are free, each a row and its texts, in this order. The first one's
-- seq is returned.
local function append(orders)
  restore_counter()
  local first = redis.call('INCRBY', key('seq'), #orders) - #orders + 1
  for number, order in ipairs(orders) do
    local row, texts = unpack(order)
    row[COL.seq] = string.format('%016.0f', first + number - 1)
    row[COL.ripe], row[COL.shares] = ripe_for(row[COL.due_at]), shares(row)
    save(row, texts)
    place(nil, row)
  end
  return string.format('%.0f', first)
end
