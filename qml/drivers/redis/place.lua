-- After places.lua: it takes a row out of all its old places and puts it into the new ones.

local changes, recounts = {}, {}

local function count(row, total, by)
  changes[total] = (changes[total] or 0) + by
  if recounted_to and row[COL.seq] <= recounted_to then
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
  if old.laned and old.laned ~= new.laned then lanes().went(was[COL.lane], place_of(was)) end
  if new.laned and old.laned ~= new.laned then lanes().came(is[COL.lane], place_of(is)) end
  local moved = old.permits and (not new.permits or is[COL.permit] ~= was[COL.permit])
  if moved or old.permits and new.permits < old.permits then
    lanes().reopen_of(was[COL.permit])
  end
end

local tallies  -- see tallies.lua

-- What comes into a set, or goes (false): carried out by `arrange`, many at once and in this order.
-- So whoever looks into a set that rows were placed in arranges first.
local moves = {}

local function move(set, who, comes)
  local moved = moves[set]
  if not moved then
    moved = {order = {}, comes = {}}
    moves[set] = moved
  end
  if moved.comes[who] == nil then
    moved.order[#moved.order + 1] = who
  end
  moved.comes[who] = comes  -- the last word counts
end

local AT_ONCE_MOVED = 2000  -- a call takes less than 8,000 values

local function arrange()
  for set, moved in pairs(moves) do
    moves[set] = nil
    local come, go = {}, {}
    for _, who in ipairs(moved.order) do
      if moved.comes[who] then
        come[#come + 1] = '0'  -- a number would be made a text
        come[#come + 1] = who
      else
        go[#go + 1] = who
      end
    end
    for from = 1, #go, AT_ONCE_MOVED do
      redis.call('ZREM', key(set), unpack(go, from, math.min(from + AT_ONCE_MOVED - 1, #go)))
    end
    for from = 1, #come, AT_ONCE_MOVED do
      redis.call('ZADD', key(set), unpack(come, from, math.min(from + AT_ONCE_MOVED - 1, #come)))
    end
  end
end

-- Which sets a row leaves and which it enters, each with the form: {set, form, set, form, ...}; and
-- those it stays in, perhaps as another member. Of plain rows it is asked once for all alike.
local known_steps = {}
local function step(was, is, old_total, new_total)
  local plain = not (was and was[COL.shares] or is and is[COL.shares])
  local name = plain and (old_total or '') .. '\n' .. (new_total or '')
  if plain and known_steps[name] then
    return known_steps[name]
  end
  local old, new = was and forms_of(was, old_total) or {}, is and forms_of(is, new_total) or {}
  local found = {leaves = {}, enters = {}, stays = {}}
  local function add(list, set, form)
    list[#list + 1], list[#list + 2] = set, form
  end
  for set, form in pairs(old) do
    if new[set] ~= form then
      add(found.leaves, set, form)
    elseif form ~= 'seq' then
      add(found.stays, set, form)
    end
  end
  for set, form in pairs(new) do
    if old[set] ~= form then
      add(found.enters, set, form)
    end
  end
  if plain then
    known_steps[name] = found
  end
  return found
end

-- Take a row from where it was to where it is. nil = it was not, or is no more.
local function place(was, is)
  local old_total, new_total = was and total_of(was), is and total_of(is)
  local sets = step(was, is, old_total, new_total)
  for at = 1, #sets.leaves, 2 do
    move(sets.leaves[at], member(was, sets.leaves[at + 1]), false)
  end
  for at = 1, #sets.enters, 2 do
    move(sets.enters[at], member(is, sets.enters[at + 1]), true)
  end
  for at = 1, #sets.stays, 2 do
    local set, form = sets.stays[at], sets.stays[at + 1]
    local old, new = member(was, form), member(is, form)
    if old ~= new then
      move(set, old, false)
      move(set, new, true)
    end
  end
  local old_key, new_key = was and held_key(was), is and held_key(is)
  if old_key and old_key ~= new_key then
    free_key(old_key, was[COL.id])
  end
  if new_key and old_key ~= new_key then
    redis.call('HSET', key('keys'), new_key, is[COL.id])
  end
  if was then count(was, old_total, -1) end
  if is then count(is, new_total, 1) end
  if (was and was[COL.shares]) or (is and is[COL.shares]) then
    arrange()
    tell_lanes(was, is, was and places(was) or {}, is and places(is) or {})
    tallies().tell(was, is)
  end
end

-- Write a row, and those of its texts that are given; as it is stored now.
local function save(row, texts)
  begin()
  local stored = cjson.encode(row)
  local fields, size = {'row', stored}, 2
  for place = 1, texts and #TEXTS or 0 do
    if texts[place] then
      fields[size + 1], fields[size + 2] = TEXTS[place], given(texts[place])
      size = size + 2
    end
  end
  redis.call('HSET', key('job:' .. row[COL.id]), unpack(fields))
  return stored
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
  arrange()
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
