-- How many rows of a batch stand in each state, all at one moment: from its members, which stand by
-- state. ARGV[1], as JSON: the batch. Answer: pairs of a state and a number, as a text.

local letters = grouped(unpack(cjson.decode(ARGV[1])))
local found = {}
local mark = '[' .. letters
while true do
  local member = redis.call('ZRANGEBYLEX', key('batched'), mark, '+', 'LIMIT', 0, 1)[1]
  if not member or string.sub(member, 1, #letters) ~= letters then
    return list(found)
  end
  local length = string.match(member, '^(%d+):', #letters + 1)
  local last = #letters + #length + 1 + length
  local state = string.sub(member, last - length + 1, last)
  local first = '[' .. string.sub(member, 1, last)
  mark = '(' .. string.sub(member, 1, last) .. '\255'
  local number = redis.call('ZLEXCOUNT', key('batched'), first, mark)
  found[#found + 1] = cjson.encode({state, tostring(number)})
end
