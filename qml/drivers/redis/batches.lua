-- One row of each batch, by the names as bytes: of those from a name on. They stand by length in
-- their set, so there is a stream for each length. ARGV[1], as JSON: that name, and how many at
-- most. Answer: rows.

local start, limit = unpack(cjson.decode(ARGV[1]))

-- Whether a name comes before another. Lua's own "<" goes by the locale of the server.
local function before(name, other)
  for at = 1, math.min(#name, #other) do
    local byte, others = string.byte(name, at), string.byte(other, at)
    if byte ~= others then
      return byte < others
    end
  end
  return #name < #other
end

local function from(mark)
  return redis.call('ZRANGEBYLEX', key('batched'), mark, '+', 'LIMIT', 0, 1)[1]
end

-- The first of a length from a mark on: its name, and a row of it that has not vanished.
local function found(length, mark)
  local letters = length .. ':'
  local member = from(mark)
  while member and string.sub(member, 1, #letters) == letters do
    local name = string.sub(member, #letters + 1, #letters + length)
    local id = string.sub(ungrouped('batched', member), SEQ + 1)
    local row, stored = read(id)
    if before(name, start) then  -- a shorter one, that the name to begin with begins with
      member = from('(' .. letters .. name .. '\255')
    elseif row then
      local after = '(' .. letters .. name .. '\255'
      return {name = name, row = row, stored = stored, after = after}
    else
      member = from('(' .. member)
    end
  end
end

local streams = {}
local member = from('-')
while member do
  local length = string.match(member, '^(%d+):')
  streams[length] = found(length, '[' .. length .. ':' .. start)
  member = from('[' .. length .. ';')
end

local rows = {}
while #rows < tonumber(limit) do
  local best
  for length, stream in pairs(streams) do
    if not best or before(stream.name, streams[best].name) then
      best = length
    end
  end
  if not best then
    break
  end
  rows[#rows + 1] = written(streams[best].row, streams[best].stored)
  streams[best] = found(best, streams[best].after)
end
return with_texts(list(rows))
