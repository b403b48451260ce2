-- What of some limits is used. ARGV[1], as JSON: now, permits, paces. Answer: how many claims of
-- each permit are live, and the time of each pace, "" = it has none.

local now, permits, paces = unpack(cjson.decode(ARGV[1]))
local claims, times = {}, {}
for index, permit in ipairs(permits) do
  claims[index] = live(permit, now)
end
for index, pace in ipairs(paces) do
  times[index] = '"' .. (redis.call('HGET', key('paces'), pace) or '') .. '"'
end
return list({list(claims), list(times)})
