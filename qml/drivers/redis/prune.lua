-- Mending, second part: take out of a sorted set what does not belong there. Order: the set, with
-- how many digits its members begin after their names, the member after which to begin or "", how
-- many to look at. Answer: the member after which to go on, "" = it is over; and what was wrong.

if past then
  return past
end

local set, digits, after, look = unpack(ORDER)
digits, look = tonumber(digits), tonumber(look)

local HINTS = {open = true, closed = true, shut = true}

local members = redis.call(
  'ZRANGEBYLEX', key(set), after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, look
)
for _, member in ipairs(members) do
  if HINTS[set] then
    lanes().hinted(set, member)
  else
    local row = read(string.sub(ungrouped(set, member), digits + 1))
    if not row or not stands_in(row, set, member) then
      forget(set, member, digits)
    end
  end
end
local last = #members == look and members[look] or ''
return answer(list({cjson.encode(last), wrong()}))
