-- Before claim.lua and hold.lua: times as numbers, and the end of what lapsed under a permit.

-- Exact from 1970 to 2255.
local function micros(time)
  local number = tonumber(string.sub(time, 2))
  return string.sub(time, 1, 1) == '1' and number or number - 10 ^ (TIME - 1)
end

local function moment(number)
  return '1' .. string.format('%019.0f', math.max(number, 0))
end

-- Those who lapsed under a permit that is taken have lapsed for good: a renewal that left before
-- comes too late, whatever it thinks the time is. See LAPSED_FOR_GOOD in qml/seam/lanes.py.
local function put_back(permit, now)
  local letters, span = grouped(permit), 86400000000
  local members = redis.call(
    'ZRANGEBYLEX', key('permits'), '(' .. letters .. moment(micros(now) - span) .. '\255',
    '[' .. letters .. now .. '\255'
  )
  for _, member in ipairs(members) do
    local row = read(string.sub(member, #letters + TIME + SEQ + 1))
    if row and stands_in(row, 'permits', member) then
      local new = copy(row)
      new[COL.lease_until] = moment(micros(row[COL.lease_until]) - span)
      save(new)
      place(row, new)
    end
  end
end
