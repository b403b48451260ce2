-- After lanes.lua: it takes a row out of all its old places and puts it into the new ones.

local AT_ONCE = '1' .. string.rep('0', TIME - 1)  -- due_at 0

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

local function is_dormant(row)
  return row.awaits and not row.due_at and not row.finished_at and row.state ~= 'processing'
end

-- Whether a claim of the row has a permit while its lease lasts.
local function has_permit(row)
  return row.permit and row.lease_until and not row.locked_by
end

-- The tallies that the end of a row counts for. A text that is damaged names none.
local function tallies_of(row)
  local whole, names = pcall(cjson.decode, row.counts or '[]')
  for _, name in ipairs(whole and type(names) == 'table' and names or {}) do
    whole = whole and type(name) == 'string'
  end
  return whole and type(names) == 'table' and names or {}
end

local function in_lane(row)
  return row.lane and lane_of(row.lane)
end

local function place_of(row)
  return string.format('%010.0f', 2147483648 - row.priority) .. row.seq
end

-- The sorted sets a row belongs in, with its member in each: a function of the row and no more.
local function places(row)
  local tail = row.seq .. row.id
  local found = {
    all = tail, ['state:' .. row.state] = tail,
    ['of:' .. #row.queue .. ' ' .. row.queue .. row.method] = tail,
  }
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
    local member = place_of(row) .. row.id
    if in_lane(row) then
      found.laned = grouped(row.lane) .. member
      found['laned:' .. row.queue] = member
    else
      found.ready = member
      found['ready:' .. row.queue] = member
    end
  elseif row.due_at then
    found.waiting = row.due_at .. tail
  end
  if row.shares then
    if has_permit(row) then
      found.permits = grouped(row.permit) .. row.lease_until .. tail
    end
    if row.batch then
      found.batched = grouped(row.batch) .. grouped(row.state) .. tail
    end
    if is_dormant(row) then
      found.awaiting = grouped(row.awaits) .. tail
    end
    for _, tally in ipairs(row.finished_at and {} or tallies_of(row)) do
      found['counting:' .. tally] = tail
    end
  end
  return found
end

-- What rows in the same places are counted under: a letter per kind of place (r = ready, n = ready
-- in a lane, w = waiting, e = expiring, p = running, m = permits, f = finished, l = leaving, b =
-- batched, a = awaiting, k = a key), then state, queue and method. So the totals also tell how many
-- members each set must have.
local function total_of(row)
  local letters = (row.due_at and (not row.ripe and 'w' or in_lane(row) and 'n' or 'r') or '')
    .. (row.due_at and row.expires_at and 'e' or '') .. (is_running(row) and 'p' or '')
    .. (row.purge_at and 'l' or row.finished_at and 'f' or '') .. (held_key(row) and 'k' or '')
  if row.shares then
    letters = letters .. (has_permit(row) and 'm' or '') .. (row.batch and 'b' or '')
      .. (is_dormant(row) and 'a' or '')
  end
  return letters .. ' ' .. #row.state .. ' ' .. #row.queue .. ' '
    .. row.state .. row.queue .. row.method
end

local changes, recounts = {}, {}

local function count(row, by)
  local total = total_of(row)
  changes[total] = (changes[total] or 0) + by
  if recounted_to and row.seq <= recounted_to then
    recounts[total] = (recounts[total] or 0) + by
  end
end

local function add_up(name, sums)
  for total, by in pairs(sums) do
    if by ~= 0 and redis.call('HINCRBY', key(name), total, by) == 0 then
      redis.call('HDEL', key(name), total)
    end
    sums[total] = nil
  end
end

local function free_key(unique_key, id)
  if redis.call('HGET', key('keys'), unique_key) == id then
    redis.call('HDEL', key('keys'), unique_key)
  end
end

-- What this means for the lanes of a row.
local function tell_lanes(was, is, old, new)
  if old.laned and old.laned ~= new.laned then lanes().went(was.lane, place_of(was)) end
  if new.laned and old.laned ~= new.laned then lanes().came(is.lane, place_of(is)) end
  if old.permits and (not new.permits or is.permit ~= was.permit or new.permits < old.permits) then
    lanes().reopen_of(was.permit)
  end
end

local tallies  -- see tallies.lua

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
  if (was and was.shares) or (is and is.shares) then
    tell_lanes(was, is, old, new)
    tallies().tell(was, is)
  end
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
local function save(row, columns)
  begin()
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

-- Take a member out whose row is elsewhere, or has vanished: then its id is told, too. It begins
-- with so many digits, the last of which are the seq.
local function forget(set, member, digits)
  begin()
  redis.call('ZREM', key(set), member)
  misplaced = 'yes'
  local rest = ungrouped(set, member)
  local id = string.sub(rest, digits + 1)
  if not read(id) then
    redis.call('ZREM', key('all'), string.sub(rest, digits - SEQ + 1))
    vanished[#vanished + 1] = cjson.encode(id)
  end
end

-- The end of every script that changed something.
local function answer(text, to_remember)
  add_up('totals', changes)
  add_up('recounted', recounts)
  remember(to_remember or text)
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
