-- A bounded part of a walk along some sorted sets. ARGV[1], as JSON: the sets, as `merged` has
-- them; with how many digits their members go on; "up" or "down"; the digits after which to begin,
-- or ""; the time at which to end, or ""; how many members to look at; how many rows to give; how many to pass over; and what
-- rows must have, or null: one of some states, the queue, the method, the batch, the time at which they
-- are due and free.
-- Answer: the digits after which to go on, "" = it is over; how many are still to be passed over;
-- the rows; and whether rows had vanished, "yes" or "".

local sets, digits, direction, after, by, look, want, skip, states, queue, method, batch, free_at =
  unpack(cjson.decode(ARGV[1]))
digits, look, want, skip = tonumber(digits), tonumber(look), tonumber(want), tonumber(skip)

local down = direction == 'down'
local from, to = down and '+' or '-', down and '-' or '+'
if after ~= '' then
  from = '(' .. after .. (down and '' or '\255')
end
if by ~= '' then
  to = '[' .. by .. '\255'
end

-- What a claim could take, if there were no lanes.
local paused
if free_at ~= cjson.null then
  paused = paused_queues()
  if sets[1][1] == 'ready' then
    sets = paused and sets_of('ready', queues_with('r'), paused) or sets
    for _, set in ipairs(sets_of('laned', queues_with('n'), paused)) do
      sets[#sets + 1] = set
    end
  end
end

local among
if states ~= cjson.null then
  among = {}
  for _, state in ipairs(states) do
    among[state] = true
  end
end
local filtered = among or queue ~= cjson.null or method ~= cjson.null or batch ~= cjson.null

local function passes(row)
  return (not among or among[row[COL.state]])
    and (queue == cjson.null or row[COL.queue] == queue)
    and (method == cjson.null or row[COL.method] == method)
    and (batch == cjson.null or row[COL.batch] == batch)
end

local function wanted(row)
  return (not filtered or passes(row)) and not (paused and paused[row[COL.queue]])
    and (free_at == cjson.null or is_free(row, free_at))
    and (free_at == cjson.null or row[COL.due_at] and row[COL.due_at] <= free_at)
end

-- Nothing to ask of the rows passed over: the set knows which is the n-th.
local whole = #sets == 1 and sets[1][2] == ''
if skip > 0 and down and whole and not filtered then
  local rank = skip - 1
  if after ~= '' then
    rank = rank + redis.call('ZLEXCOUNT', key(sets[1][1]), '[' .. after, '+')
  end
  local passed = redis.call('ZREVRANGE', key(sets[1][1]), rank, rank)[1]
  from = passed and '(' .. passed or '-'
  skip = 0
end

local HEAVY = 4000000  -- bytes: what is longer is given in several steps

local rows, last, looked, weight, vanished = {}, '', 0, 0, ''
for member, set in merged(sets, digits, down, from, to) do
  looked = looked + 1
  local found = ungrouped(set, member)
  local id = string.sub(found, digits + 1)
  local row, stored = read(id)
  if not row then
    vanished = 'yes'
  elseif wanted(row) then
    if skip > 0 then
      skip = skip - 1
    else
      local text = written(row, stored)
      rows[#rows + 1] = text
      weight = weight + #text
    end
  end
  if looked == look or #rows == want or weight + reply_size > HEAVY then
    last = string.sub(found, 1, digits)
    break
  end
end
return with_texts(
  list({'"' .. last .. '"', '"' .. skip .. '"', list(rows), '"' .. vanished .. '"'})
)
