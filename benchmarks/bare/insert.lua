-- Store jobs. ARGV: an id, the state's text and the payload of each.
local base = KEYS[1]
local seq = redis.call('INCRBY', base .. 'seq', #ARGV / 3) - #ARGV / 3
for at = 1, #ARGV, 3 do
  seq = seq + 1
  local id = ARGV[at]
  redis.call(
    'HSET', base .. 'job:' .. id, 'seq', seq, 'id', id, 'version', '0', 'state', 'enqueued',
    'queue', 'default', 'priority', '0', 'method', 'nothing', 'attempt', '0', 'fence', '0',
    'max_attempts', '6', 'ahead', '0', 'due_at', '0', 'created_at', '1900000000000000',
    'key_held', '0', 'unique_while', 'unfinished', 'detail', ARGV[at + 1],
    'payload', ARGV[at + 2]
  )
  redis.call('ZADD', base .. 'ready', seq, id)
end
return seq
