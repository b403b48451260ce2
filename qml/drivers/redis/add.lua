-- New rows of which nothing is asked but whether their ids are free, and which have nothing to do with
-- others, but that they may be in one batch: most that come, one by one. A script's text is carried out
-- whole, and what the others have at their head takes the server longer than such a row; so this is
-- read alone, and is told where the rows belong, see adding.py.
--
-- ARGV[1], ARGV[2], ARGV[3] = see calls.lua; how many rows; their ids; and of each run of rows that
-- have all else in common, as far as their payloads: how many they are; their columns after the id, as
-- JSON; what they are counted under; how many sets they belong in, each with the letters its members
-- begin with; how many other texts they have, each with its name; their payloads. Answer: the first
-- seq, and the others follow it; or '' if an id is taken: then nothing is stored, and insert.lua tells
-- which.

local BASE, IDS, AT_ONCE = KEYS[1], 4, 2000  -- a call takes less than 8,000 values
local call, many = BASE .. 'call:' .. ARGV[1], tonumber(ARGV[4])

local past = redis.call('GET', call)
if past and string.sub(past, 1, #ARGV[2] + 1) == ARGV[2] .. ' ' then
  return string.sub(past, #ARGV[2] + 2)
end

for from = 1, many, AT_ONCE do
  local rows = {}
  for number = from, math.min(from + AT_ONCE - 1, many) do
    rows[#rows + 1] = BASE .. 'job:' .. ARGV[IDS + number]
  end
  if redis.call('EXISTS', unpack(rows)) > 0 then
    return ''
  end
end

-- The first write takes memory: a full server refuses it, and with it all rows.
local seq = redis.call('INCRBY', BASE .. 'seq', many) - many
if seq == 0 then  -- if the counter vanished, seqs must not be used again
  local last = redis.call('ZREVRANGE', BASE .. 'all', 0, 0)[1]
  if last then
    seq = tonumber(string.sub(last, 1, 16))
    redis.call('INCRBY', BASE .. 'seq', string.format('%.0f', seq))
  end
end
local first, number, at = string.format('%.0f', seq + 1), 0, IDS + many + 1

while number < many do
  local alike, columns, total, sets = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], at + 4
  local texts = sets + 2 * ARGV[at + 3]
  local payloads = texts + 1 + 2 * ARGV[texts]
  local fields, tails = {'row', '', 'payload', '', unpack(ARGV, texts + 1, payloads - 1)}, {}
  for place = 1, alike do
    local id, digits = ARGV[IDS + number + place], string.format('%016.0f', seq + number + place)
    fields[2] = '["' .. digits .. '",' .. cjson.encode(id) .. ',' .. columns
    fields[4] = ARGV[payloads + place - 1]
    redis.call('HSET', BASE .. 'job:' .. id, unpack(fields))
    tails[place] = digits .. id
  end
  for set = sets, texts - 1, 2 do
    local name, letters = BASE .. ARGV[set], ARGV[set + 1]
    for from = 1, alike, AT_ONCE do
      local members = {}
      for place = from, math.min(from + AT_ONCE - 1, alike) do
        members[#members + 1] = '0'
        members[#members + 1] = letters .. tails[place]
      end
      redis.call('ZADD', name, unpack(members))
    end
  end
  redis.call('HINCRBY', BASE .. 'totals', total, alike)
  number, at = number + alike, payloads + alike
end

redis.call('SET', call, ARGV[2] .. ' ' .. first, 'EX', ARGV[3])
redis.pcall('PUBLISH', BASE .. 'hints', ARGV[1])
return first
