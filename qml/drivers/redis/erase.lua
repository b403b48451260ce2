-- Remove rows with all that belongs to them. Order: limit, then ids; or limit, null, the sorted set
-- that tells when they may go, and by when.
-- Answer: how many, and what was wrong with the indexes.

if past then
  return past
end

local limit, ids, set, by = unpack(ORDER)
limit = tonumber(limit)
local erased = 0

local function erase(row)
  redis.call('UNLINK', key('job:' .. row[COL.id]))
  place(row, nil)
  erased = erased + 1
end

if ids ~= cjson.null then
  for _, id in ipairs(ids) do
    local row = erased < limit and read(id)
    if row then
      erase(row)
    end
  end
elseif limit > 0 then
  local old = redis.call('ZRANGEBYLEX', key(set), '-', '[' .. by .. '\255', 'LIMIT', 0, limit)
  for _, member in ipairs(old) do
    local row = read(string.sub(member, TIME + SEQ + 1))
    if row and stands_in(row, set, member) then
      erase(row)
    else
      forget(set, member, TIME + SEQ)
    end
  end
end
local text = list({'"' .. erased .. '"', wrong()})
return (erased > 0 or misplaced ~= '') and answer(text) or text
