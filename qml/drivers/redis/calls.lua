-- After rows.lua, in every script that writes: a repeated call is answered as the first one was.
--
-- ARGV[1], ARGV[2] name the call: a client's lane, and a number that it uses once. ARGV[3] is for
-- how many seconds it is remembered, and ARGV[4] what is ordered, as JSON; then come large texts,
-- as they are. In the JSON each is a number, its place in ARGV.

local ORDER = cjson.decode(ARGV[4])

local function given(text)
  return type(text) == 'number' and ARGV[text] or text
end

-- The answer that was lost on its way, if this is the same call again. And how far mending has
-- counted, asked for at once.
local past, recounted_to
do
  local known
  known, recounted_to = unpack(redis.call('MGET', key('call:' .. ARGV[1]), key('recount')))
  local length = #ARGV[2]
  if known and string.sub(known, 1, length + 1) == ARGV[2] .. ' ' then
    past = string.sub(known, length + 2)
  end
end

-- A full server refuses the first write of a script if it takes memory, and no later one. Claims
-- and finishes must go on there, or there would never be less: so they begin by a write that frees
-- some. New jobs begin otherwise, see insert.lua.
local begun = false
local function begin()
  if not begun then
    redis.call('DEL', key('call:' .. ARGV[1]))
    begun = true
  end
end

local function remember(answer)
  redis.call('SET', key('call:' .. ARGV[1]), ARGV[2] .. ' ' .. answer, 'EX', ARGV[3])
end

-- Tell everybody who waits that there may be something to do, and who says so. Where this user may
-- not, the hint is lost, as hints may be.
local function hint()
  redis.pcall('PUBLISH', key('hints'), ARGV[1])
end

-- What was found wrong with the indexes, for an answer: whether a member was not where it belongs,
-- and the ids of rows that have vanished.
local misplaced, vanished = '', {}
local function wrong()
  return list({'"' .. misplaced .. '"', list(vanished)})
end
