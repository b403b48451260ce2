-- New rows, for the scripts that insert them.

local function is_stored(id)
  return redis.call('EXISTS', key('job:' .. id)) == 1
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

-- Whether a row has one of the columns of SHARED.
local function shares(row)
  return (row.lane or row.permit or row.batch or row.counts or row.awaits) and '1' or nil
end

-- Store rows whose ids and keys are free, in this order; the first one's seq is returned.
local function append(rows)
  restore_counter()
  local first = redis.call('INCRBY', key('seq'), #rows) - #rows + 1
  for place_in_batch, row in ipairs(rows) do
    row.seq = string.format('%016.0f', first + place_in_batch - 1)
    row.ripe, row.shares = ripe_for(row.due_at), shares(row)
    local fields = {}
    for column, value in pairs(row) do
      fields[#fields + 1] = column
      fields[#fields + 1] = value
    end
    redis.call('HSET', key('job:' .. row.id), unpack(fields))
    place(nil, row)
  end
  return string.format('%.0f', first)
end
