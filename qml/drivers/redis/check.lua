-- Whether the sets have as many members as the tallies say. Answer: of each that has not, its name,
-- how many it should have, and how many it has.

local should = {
  all = 0, ready = 0, waiting = 0, expiring = 0, running = 0, leaving = 0, keys = 0,
}

local function add(set, number)
  should[set] = (should[set] or 0) + number
end

local tallies = redis.call('HGETALL', key('tallies'))
for place = 1, #tallies, 2 do
  local letters, state_length, queue_length, rest =
    string.match(tallies[place], '^(%a*) (%d+) (%d+) (.*)$')
  local number = tonumber(tallies[place + 1])
  if rest and number then
    local state = string.sub(rest, 1, state_length)
    local queue = string.sub(rest, state_length + 1, state_length + queue_length)
    add('all', number)
    add('state:' .. state, number)
    if string.find(letters, 'r') then
      add('ready', number)
      add('ready:' .. queue, number)
    end
    if string.find(letters, 'w') then add('waiting', number) end
    if string.find(letters, 'e') then add('expiring', number) end
    if string.find(letters, 'p') then add('running', number) end
    if string.find(letters, 'f') then add('finished:' .. state, number) end
    if string.find(letters, 'l') then add('leaving', number) end
    if string.find(letters, 'k') then add('keys', number) end
  end
end

local wrong = {}
for set, number in pairs(should) do
  local has = redis.call(set == 'keys' and 'HLEN' or 'ZCARD', key(set))
  if has ~= number then
    wrong[#wrong + 1] = cjson.encode({set, tostring(number), tostring(has)})
  end
end
return list(wrong)
