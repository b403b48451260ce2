-- Mending, last part: count all rows anew, some with each call, while others go on changing them.
-- What changes of the rows counted so far is counted twice meanwhile, see `count` in place.lua.
-- Order: how many rows to look at, and "anew" to begin. Answer: "on" or "done".

if past then
  return past
end

local look, how = tonumber(ORDER[1]), ORDER[2]
if how == 'anew' or not recounted_to then
  recounted_to = string.rep('0', SEQ)
  redis.call('DEL', key('recounted'))
end

local sums = {}
local members = redis.call(
  'ZRANGEBYLEX', key('all'), '(' .. recounted_to .. '\255', '+', 'LIMIT', 0, look
)
for _, member in ipairs(members) do
  local row = read(string.sub(member, SEQ + 1))
  if row then
    local total = total_of(row)
    sums[total] = (sums[total] or 0) + 1
  end
end
add_up('recounted', sums)
if #members == look then
  redis.call('SET', key('recount'), string.sub(members[look], 1, SEQ))
  return answer('"on"')
end
redis.call('DEL', key('recount'), key('totals'))
if redis.call('EXISTS', key('recounted')) == 1 then
  redis.call('RENAME', key('recounted'), key('totals'))
end
return answer('"done"')
