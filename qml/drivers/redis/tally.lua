-- How a tally stands once it is told something. Order: name; "1" = more are to come, "0" = no more;
-- and how many have failed so far; null = as it is. Answer: the tally as it is stored, "" = it is
-- not there.

if past then
  return past
end

local name, more, failed = unpack(ORDER)
begin()
local tally = tallies().at(name)
if more == '1' and not tally then
  tally = {left = 0, failed = 0}
end
if tally then
  local open = tally.open
  if more ~= cjson.null then open = more == '1' end
  tallies().put(name, tally.left, open, failed ~= cjson.null and tonumber(failed) or tally.failed)
end
return answer(redis.call('HGET', key('tallies'), name) or '')
