-- Store or remove a record, if its version is the expected one. Order: name, body or null,
-- expected. Answer: a letter, as in swap.lua.

if past then
  return past
end

local name, body, expected = unpack(ORDER)
local stored = redis.call('HGET', key('records'), name)
local version = stored and string.match(stored, '^%d+') or '0'
if version ~= expected then
  return 's'
end
if body ~= cjson.null then
  redis.call('HSET', key('records'), name, raised(version) .. ' ' .. body)
  redis.call('ZADD', key('names'), 0, name)
else
  redis.call('HDEL', key('records'), name)
  redis.call('ZREM', key('names'), name)
end
return answer('d')
