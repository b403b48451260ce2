-- Of each queue the rows among which the one is that has been due for the longest: of each priority,
-- a hundred of them and the lowest first, the first that is ready, in a lane or in none; and the
-- first of those that fell due and have not ripened. ARGV[1], as JSON: the time, and how many of
-- the last to look at. Answer: rows.

local now, limit = unpack(cjson.decode(ARGV[1]))

local rows = {}
local function give(id)
  local row, stored = read(id)
  if row then
    rows[#rows + 1] = written(row, stored)
  end
end

local function heads(set)
  local to = '+'
  for _ = 1, 100 do
    local last = redis.call('ZREVRANGEBYLEX', key(set), to, '-', 'LIMIT', 0, 1)[1]
    if not last or #rows >= 1000 then
      return
    end
    local rank = string.sub(last, 1, RANK)
    local first = redis.call('ZRANGEBYLEX', key(set), '[' .. rank, '+', 'LIMIT', 0, 1)[1]
    give(string.sub(first, RANK + SEQ + 1))
    to = '(' .. rank
  end
end

for name, letter in pairs({ready = 'r', laned = 'n'}) do
  for _, queue in ipairs(queues_with(letter)) do
    heads(name .. ':' .. queue)
  end
end

local seen = {}
local due = redis.call(
  'ZRANGEBYLEX', key('waiting'), '-', '[' .. now .. '\255', 'LIMIT', 0, tonumber(limit)
)
for _, member in ipairs(due) do
  local id = string.sub(member, TIME + SEQ + 1)
  local row = read(id)
  if row and not seen[row[COL.queue]] then
    seen[row[COL.queue]] = true
    give(id)
  end
end
return with_texts(list(rows))
