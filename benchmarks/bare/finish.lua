-- Record that jobs were done, if nobody else has them. ARGV: id, version and the state's text of
-- each. Answer: how many.
local base = KEYS[1]
local done = 0
for at = 1, #ARGV, 3 do
  local id, version = ARGV[at], ARGV[at + 1]
  local job = base .. 'job:' .. id
  if redis.call('HGET', job, 'version') == version then
    redis.call('HINCRBY', job, 'version', 1)
    redis.call(
      'HSET', job, 'state', 'succeeded', 'finished_at', '1900000000000000', 'detail', ARGV[at + 2],
      'failures', '[]'
    )
    redis.call('HDEL', job, 'lease_until')
    redis.call('ZREM', base .. 'running', id)
    redis.call('ZADD', base .. 'finished', '1900000000000000', id)
    done = done + 1
  end
end
return done
