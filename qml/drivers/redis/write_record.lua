-- Store or remove a record, if its version is the expected one. Order: name, body or null,
-- expected. Answer: a letter, as in swap.lua.

if past then
  return past
end

local name, body, expected = unpack(ORDER)
local version = record_version(name)
if version ~= expected then
  return 's'
end
if body ~= cjson.null then
  store_record(name, raised(version), body)
else
  redis.call('HDEL', key('records'), name)
  redis.call('ZREM', key('names'), name)
end
return answer('d')
