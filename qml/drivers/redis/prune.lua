-- Mending, second part: take out of a sorted set what does not belong there. Order: the set, with
-- how many digits its members begin, the digits after which to begin or "", how many to look at.
-- Answer: the digits after which to go on, "" = it is over; and what was wrong.

if past then
  return past
end

local set, digits, after, look = unpack(ORDER)
digits, look = tonumber(digits), tonumber(look)

local last, looked = '', 0
for member in merged({set}, digits, false, after == '' and '-' or '(' .. after .. '\255', '+') do
  looked = looked + 1
  local row = read(string.sub(member, digits + 1))
  if not row or places(row)[set] ~= member then
    forget(set, member, digits)
  end
  if looked == look then
    last = string.sub(member, 1, digits)
    break
  end
end
return answer(list({'"' .. last .. '"', wrong()}))
