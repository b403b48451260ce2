-- New rows of which nothing is asked but whether their ids are free, and which have to do with no
-- others, but that they may be in a batch: most that come, and they come one by one. A script is
-- carried out from its first line each time, and what the others share takes the server longer than
-- such a row. So this stands alone, and has of places.lua what such rows need.
--
-- ARGV[1], ARGV[2], ARGV[3] = see calls.lua; how many rows; their ids; and of each run of rows that
-- have all else in common, as far as their payloads: how many they are; their columns after the id, as
-- JSON; of these the state, queue, method, the rank, the due time of those that wait for it, when they
-- expire, and the batch, as the members of sets begin with them, or ''; how many other texts they have,
-- each with its name; their payloads. Answer: the first seq, and the others follow it; or '' if an id
-- is taken: then nothing is stored, and insert.lua tells which.

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

local comes, counts = {}, {}
while number < many do
  local alike, columns, state, queue, method, rank, due, expires, batch, others =
    unpack(ARGV, at, at + 9)
  local letters, to = 'r', at + 10 + 2 * others
  local sets = {
    all = '', ['state:' .. state] = '', ['of:' .. #queue .. ' ' .. queue .. method] = '',
  }
  if due == '' then
    sets.ready, sets['ready:' .. queue] = rank, rank
  else
    sets.waiting, letters = due, 'w'
  end
  if expires ~= '' then
    sets.expiring, letters = expires, letters .. 'e'
  end
  if batch ~= '' then
    sets.batched, letters = batch .. #state .. ':' .. state, letters .. 'b'
  end
  local total = letters .. ' ' .. #state .. ' ' .. #queue .. ' ' .. state .. queue .. method
  counts[total] = (counts[total] or 0) + alike
  local fields, tails = {'row', '', 'payload', '', unpack(ARGV, at + 10, to - 1)}, {}
  for place = 1, alike do
    local id, digits = ARGV[IDS + number + place], string.format('%016.0f', seq + number + place)
    fields[2] = '["' .. digits .. '",' .. cjson.encode(id) .. ',' .. columns
    fields[4] = ARGV[to + place - 1]
    redis.call('HSET', BASE .. 'job:' .. id, unpack(fields))
    tails[place] = digits .. id
  end
  for set, begins in pairs(sets) do
    local members = comes[set] or {}
    comes[set] = members
    for _, tail in ipairs(tails) do
      members[#members + 1] = '0'  -- a number would be made a text
      members[#members + 1] = begins .. tail
    end
  end
  number, at = number + alike, to + alike
end

for set, members in pairs(comes) do
  for from = 1, #members, AT_ONCE do
    local to = math.min(from + AT_ONCE - 1, #members)
    redis.call('ZADD', BASE .. set, unpack(members, from, to))
  end
end
for total, rows in pairs(counts) do
  redis.call('HINCRBY', BASE .. 'totals', total, rows)
end
redis.call('SET', call, ARGV[2] .. ' ' .. first, 'EX', ARGV[3])
redis.pcall('PUBLISH', BASE .. 'hints', ARGV[1])
return first
