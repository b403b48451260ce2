-- Records by the first letters of their names. ARGV[1]: the letters. Answer: records, each its
-- name and what is stored under it.

local from, to = '[' .. ARGV[1], '(' .. ARGV[1] .. '\255'
local records = {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', key('names'), from, to)) do
  local stored = redis.call('HGET', key('records'), name)
  if stored then
    records[#records + 1] = cjson.encode({name, stored})
  end
end
return list(records)
