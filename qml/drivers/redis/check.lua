-- Whether the sets have as many members as the totals say. Answer: of each that has not, its name,
-- how many it should have, and how many it has.

local should = {
  all = 0, ready = 0, laned = 0, waiting = 0, expiring = 0, running = 0, permits = 0, leaving = 0,
  batched = 0, awaiting = 0, keys = 0,
}

local function add(set, number)
  should[set] = (should[set] or 0) + number
end

local totals = redis.call('HGETALL', key('totals'))
for place = 1, #totals, 2 do
  local letters, state_length, queue_length, rest =
    string.match(totals[place], '^(%a*) (%d+) (%d+) (.*)$')
  local number = tonumber(totals[place + 1])
  if rest and number then
    local state = string.sub(rest, 1, state_length)
    local queue = string.sub(rest, state_length + 1, state_length + queue_length)
    add('all', number)
    add('state:' .. state, number)
    add('of:' .. queue_length .. ' ' .. string.sub(rest, state_length + 1), number)
    if string.find(letters, 'r') then
      add('ready', number)
      add('ready:' .. queue, number)
    end
    if string.find(letters, 'n') then
      add('laned', number)
      add('laned:' .. queue, number)
    end
    if string.find(letters, 'w') then add('waiting', number) end
    if string.find(letters, 'e') then add('expiring', number) end
    if string.find(letters, 'p') then add('running', number) end
    if string.find(letters, 'f') then add('finished:' .. state, number) end
    if string.find(letters, 'l') then add('leaving', number) end
    if string.find(letters, 'm') then add('permits', number) end
    if string.find(letters, 'b') then add('batched', number) end
    if string.find(letters, 'a') then add('awaiting', number) end
    if string.find(letters, 'k') then add('keys', number) end
  end
end

local wrong = {}
local function compare(name, number, has)
  if has ~= number then
    wrong[#wrong + 1] = cjson.encode({name, tostring(number), tostring(has)})
  end
end

for set, number in pairs(should) do
  compare(set, number, redis.call(set == 'keys' and 'HLEN' or 'ZCARD', key(set)))
end
local hints = redis.call('ZCARD', key('open')) + redis.call('ZCARD', key('closed'))
compare('lanes', hints, redis.call('HLEN', key('lanes')))
-- Whatever is awaited is there.
if should.awaiting > 0 and redis.call('EXISTS', key('tallies')) == 0 then
  compare('tallies', 1, 0)
end
return list(wrong)
