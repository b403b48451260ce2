-- Take the best jobs. ARGV: how many, and the state's text. Answer: id, version, method and payload
-- of each.
local base = KEYS[1]
local ids = redis.call('ZRANGE', base .. 'ready', 0, ARGV[1] - 1)
if #ids == 0 then
  return {}
end
redis.call('ZREMRANGEBYRANK', base .. 'ready', 0, #ids - 1)
local rows = {}
for place, id in ipairs(ids) do
  local job = base .. 'job:' .. id
  local version = redis.call('HINCRBY', job, 'version', 1)
  redis.call('HINCRBY', job, 'attempt', 1)
  redis.call('HINCRBY', job, 'fence', 1)
  redis.call(
    'HSET', job, 'state', 'processing', 'worker', 'bare', 'lease_until', '1900000030000000',
    'detail', ARGV[2]
  )
  redis.call('HDEL', job, 'due_at')
  redis.call('ZADD', base .. 'running', '1900000030000000', id)
  rows[place] = {id, version, unpack(redis.call('HMGET', job, 'method', 'payload'))}
end
return rows
