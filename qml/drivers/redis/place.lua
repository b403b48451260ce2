-- The head of every script that writes, after rows.lua: it takes a row out of all its old places
-- and puts it into the new ones, and it answers a repeated call as the first one was answered.
--
-- ARGV[1], ARGV[2] name the call: a client's lane, and a number that it uses once. ARGV[3] is for
-- how many seconds it is remembered, and ARGV[4] what is ordered, as JSON.

local AT_ONCE = '1' .. string.rep('0', TIME - 1)  -- due_at 0
local ORDER = cjson.decode(ARGV[4])

-- The answer that was lost on its way, if this is the same call again.
local past
do
  local known = redis.call('GET', key('call:' .. ARGV[1]))
  local length = #ARGV[2]
  if known and string.sub(known, 1, length + 1) == ARGV[2] .. ' ' then
    past = string.sub(known, length + 2)
  end
end

local function raised(number)
  return string.format('%.0f', number + 1)
end

-- Whether the row is in the ready sets, or still to ripen.
local function ripe_for(due_at)
  return due_at and due_at <= AT_ONCE and '1' or nil
end

local function held_key(row)
  return row.key_held ~= '0' and row.unique_key or nil
end

local function is_running(row)
  return row.state == 'processing' and row.lease_until
end

-- The sorted sets a row belongs in, with its member in each: a function of the row and no more.
local function places(row)
  local tail = row.seq .. row.id
  local found = {all = tail, ['state:' .. row.state] = tail}
  if row.purge_at then
    found.leaving = row.purge_at .. tail
  elseif row.finished_at then
    found['finished:' .. row.state] = row.finished_at .. tail
  end
  if row.expires_at and row.due_at then
    found.expiring = row.expires_at .. tail
  end
  if is_running(row) then
    found.running = row.lease_until .. tail
  end
  if row.due_at and row.ripe then
    local member = string.format('%010.0f', 2147483648 - row.priority) .. tail
    found.ready = member
    found['ready:' .. row.queue] = member
  elseif row.due_at then
    found.waiting = row.due_at .. tail
  end
  return found
end

-- What rows in the same places are counted under: a letter per kind of place (r = ready, w =
-- waiting, e = expiring, p = running, f = finished, l = leaving, k = a key), then state, queue and
-- method. So the tallies also tell how many members each set must have.
local function tally_of(row)
  local letters = (row.due_at and (row.ripe and 'r' or 'w') or '')
    .. (row.due_at and row.expires_at and 'e' or '') .. (is_running(row) and 'p' or '')
    .. (row.purge_at and 'l' or row.finished_at and 'f' or '') .. (held_key(row) and 'k' or '')
  return letters .. ' ' .. #row.state .. ' ' .. #row.queue .. ' '
    .. row.state .. row.queue .. row.method
end

local changes, recounts = {}, {}
local recounted_to = redis.call('GET', key('recount'))

local function count(row, by)
  local tally = tally_of(row)
  changes[tally] = (changes[tally] or 0) + by
  if recounted_to and row.seq <= recounted_to then
    recounts[tally] = (recounts[tally] or 0) + by
  end
end

local function add_up(name, sums)
  for tally, by in pairs(sums) do
    if by ~= 0 and redis.call('HINCRBY', key(name), tally, by) == 0 then
      redis.call('HDEL', key(name), tally)
    end
  end
end

local function free_key(unique_key, id)
  if redis.call('HGET', key('keys'), unique_key) == id then
    redis.call('HDEL', key('keys'), unique_key)
  end
end

-- Take a row from where it was to where it is. nil = it was not, or is no more.
local function place(was, is)
  local old, new = was and places(was) or {}, is and places(is) or {}
  for set, member in pairs(old) do
    if new[set] ~= member then
      redis.call('ZREM', key(set), member)
    end
  end
  for set, member in pairs(new) do
    if old[set] ~= member then
      redis.call('ZADD', key(set), 0, member)
    end
  end
  local old_key, new_key = was and held_key(was), is and held_key(is)
  if old_key and old_key ~= new_key then
    free_key(old_key, was.id)
  end
  if new_key and old_key ~= new_key then
    redis.call('HSET', key('keys'), new_key, is.id)
  end
  if was then count(was, -1) end
  if is then count(is, 1) end
end

-- A copy of a row, to be changed.
local function copy(row)
  local same = {}
  for column, value in pairs(row) do
    same[column] = value
  end
  return same
end

-- Write some columns of a row.
--
-- A full server refuses the first write of a script if it takes memory, and no later one. Claims
-- and finishes must go on there, or there would never be less: so they begin by a write that frees
-- some. New jobs begin otherwise, see insert.lua.
local begun = false
local function save(row, columns)
  if not begun then
    redis.call('DEL', key('call:' .. ARGV[1]))
    begun = true
  end
  local fields, empty = {}, {}
  for place_in_list = 1, #columns do
    local column = columns[place_in_list]
    local value = row[column]
    if value then
      fields[#fields + 1] = column
      fields[#fields + 1] = value
    else
      empty[#empty + 1] = column
    end
  end
  if #empty > 0 then
    redis.call('HDEL', key('job:' .. row.id), unpack(empty))
  end
  if #fields > 0 then
    redis.call('HSET', key('job:' .. row.id), unpack(fields))
  end
end

-- The id of another row that reserves a key; a row that vanished reserves nothing.
local function other_holder(unique_key, id)
  local found = unique_key and redis.call('HGET', key('keys'), unique_key)
  if found and found ~= id and redis.call('EXISTS', key('job:' .. found)) == 1 then
    return found
  end
end

-- Take a member out whose row is elsewhere, or has vanished: then its id is told, too.
local misplaced, vanished = '', {}
local function forget(set, member, digits)
  redis.call('ZREM', key(set), member)
  misplaced = 'yes'
  local id = string.sub(member, digits + 1)
  if not read(id) then
    redis.call('ZREM', key('all'), string.sub(member, digits - SEQ + 1))
    vanished[#vanished + 1] = cjson.encode(id)
  end
end

-- What was found wrong with the indexes, for an answer.
local function wrong()
  return list({'"' .. misplaced .. '"', list(vanished)})
end

-- The end of every script that changed something.
local function answer(text, to_remember)
  add_up('tallies', changes)
  add_up('recounted', recounts)
  local known = ARGV[2] .. ' ' .. (to_remember or text)
  redis.call('SET', key('call:' .. ARGV[1]), known, 'EX', ARGV[3])
  return text
end

-- Orders carried out one after the other, each for itself: a letter of each, see VERDICTS in
-- qml.drivers.redis.texts.
local function each(carry_out)
  local verdicts = {}
  for index, order in ipairs(ORDER) do
    verdicts[index] = carry_out(order)
  end
  local text = table.concat(verdicts)
  return string.find(text, 'd') and answer(text) or text
end
