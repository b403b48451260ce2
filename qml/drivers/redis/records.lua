-- Records, for the scripts that write them.

local function record_version(name)
  local stored = redis.call('HGET', key('records'), name)
  return stored and string.match(stored, '^%d+') or '0'
end

local function store_record(name, version, body)
  redis.call('HSET', key('records'), name, version .. ' ' .. body)
  redis.call('ZADD', key('names'), 0, name)
end
