-- The head of every script: the names of the keys, and how a row is read.
--
-- KEYS[1] is what every key begins with, "{prefix}:". The others are made from it here, and the
-- braces keep them in one slot of a cluster:
--
--   job:<id>          hash        a row: one field per column, none for an empty one; "ripe" = it is
--                                 ready; "shares" = it has one of the columns of SHARED
--   all               sorted set  every row                         <seq><id>
--   state:<state>     sorted set  the rows in a state               <seq><id>
--   of:<length of the queue> <queue><method>
--                     sorted set  the rows of a queue and method    <seq><id>
--   ready             sorted set  what a claim may take, no lane    <rank><seq><id>
--   ready:<queue>     sorted set  the same of one queue             <rank><seq><id>
--   laned             sorted set  what is ready in a lane           <lane><rank><seq><id>
--   laned:<queue>     sorted set  the same of one queue             <rank><seq><id>
--   waiting           sorted set  what falls due later              <due_at><seq><id>
--   running           sorted set  processing, with a lease          <lease_until><seq><id>
--   permits           sorted set  claims that need a permit         <permit><lease_until><seq><id>
--   expiring          sorted set  what waits until a time only      <expires_at><seq><id>
--   finished:<state>  sorted set  what finished in a state          <finished_at><seq><id>
--   leaving           sorted set  what goes at a time of its own    <purge_at><seq><id>
--   batched           sorted set  what is in a batch                <batch><state><seq><id>
--   counting:<tally>  sorted set  unfinished rows that count for it <seq><id>
--   awaiting          sorted set  rows that are dormant             <tally><seq><id>
--   keys              hash        unique key -> id of the row that reserves it
--   totals            hash        how many rows stand in the same places, see total_of in place.lua
--   tallies           hash        tally -> how many are left, whether it is open, how many failed
--   lanes             hash        lane -> <rank><seq> of its best ready row, and when it may open
--   open              sorted set  lanes that may be open            <queue><rank><seq>lane
--   closed            sorted set  the other lanes                   <opens_at>lane
--   shut              sorted set  of these, who have no permit      <permit><rank><seq>lane
--   freed             hash        permits of which more shut lanes may be open than were told so
--   paces             hash        pace -> its time
--   seq               string      the last seq given
--   records           hash        name -> version, a space, body
--   names             sorted set  the names of the records
--   call:<lane>       string      the last call of a client and its answer, see calls.lua
--   recount           string      while recount.lua counts: the seq up to which it did
--   recounted         hash        while recount.lua counts: the totals to be
--   schema            string      the version of all this
--
-- The lane of a call is a client's connection; all the other lanes are those of qml.seam.lanes.
-- A member that begins with a name has its length and a colon before it, so that no name begins
-- with another: see `grouped`.
--
-- All scores are 0: a sorted set is then ordered by its members as bytes, with no limit of 53 bits.
-- So times are 20 digits (microseconds since 1970, plus 10^19), a seq is 16, a rank (2^31 minus
-- priority) is 10. They are compared as texts and never made numbers, which would lose digits.
--
-- Rows travel as JSON arrays of strings, which cjson keeps as they are (numbers lose digits in it,
-- and an empty array becomes an object). redis-py takes a third to a fifth of the time that the
-- same as values of the protocol takes it (6 instead of 21 us to read a row).

local BASE = KEYS[1]

-- In the order of qml.seam.rows.Row.
local COLUMNS = {
  'seq', 'id', 'version', 'state', 'queue', 'priority', 'method', 'attempt', 'fence',
  'max_attempts', 'ahead', 'worker', 'locked_by', 'lease_until', 'due_at', 'finished_at',
  'purge_at', 'expires_at', 'created_at', 'key_held', 'unique_key', 'unique_while', 'max_retries',
  'timeout_seconds', 'job_type', 'lane', 'permit', 'batch', 'counts', 'awaits', 'needs_all',
  'detail', 'failures', 'metadata', 'payload', 'notes',
}

-- What guards and places ask for: all but the texts that may be large.
local GUARDS = {
  'seq', 'id', 'version', 'state', 'queue', 'priority', 'method', 'attempt', 'fence', 'ahead',
  'worker', 'locked_by', 'lease_until', 'due_at', 'finished_at', 'purge_at', 'expires_at',
  'key_held', 'unique_key', 'ripe', 'shares',
}

-- What few rows have, so it is asked for of those only.
local SHARED = {'lane', 'permit', 'batch', 'counts', 'awaits', 'needs_all'}

local SEQ, RANK, TIME = 16, 10, 20  -- digits
local NULL = cjson.null

local function key(name)
  return BASE .. name
end

-- Some values as a row: a table of columns, with nil for the empty ones. Counted, as in `save`: this
-- is where a script spends its time, and ipairs calls a function per step.
local function named(values, columns)
  local row = {}
  for place = 1, #columns do
    local value = values[place]
    if value and value ~= NULL then
      row[columns[place]] = value
    end
  end
  return row
end

-- The guards of a row; nil when there is none, or what is left of one.
local function read(id)
  local row = named(redis.call('HMGET', key('job:' .. id), unpack(GUARDS)), GUARDS)
  local whole = row.seq and row.id and row.version and row.state and row.queue and row.priority
    and row.method and row.key_held
  if not whole then
    return nil
  end
  if row.shares then
    local values = redis.call('HMGET', key('job:' .. id), unpack(SHARED))
    for place, column in ipairs(SHARED) do
      row[column] = values[place] or nil
    end
  end
  return row
end

-- A whole row as JSON, false for an empty column. Notes that nobody wrote are an empty text.
local function written(id)
  local values = redis.call('HMGET', key('job:' .. id), unpack(COLUMNS))
  values[#COLUMNS] = values[#COLUMNS] or ''
  return cjson.encode(values)
end

local function list(texts)
  return '[' .. table.concat(texts, ',') .. ']'
end

local function holder(row)
  return row.locked_by or row.worker
end

local function is_free(row, now)
  return not row.lease_until or row.lease_until <= now
end

-- A name as the beginning of a member.
local function grouped(name)
  return #name .. ':' .. name
end

-- With how many names the members of a set begin.
local NAMES = {laned = 1, permits = 1, awaiting = 1, batched = 2, open = 1, shut = 1}

-- A member without the names.
local function ungrouped(set, member)
  for _ = 1, NAMES[set] or 0 do
    local length, rest = string.match(member, '^(%d+):()')
    member = string.sub(member, rest + length)
  end
  return member
end

-- The first member of a set that begins with some letters.
local function first_with(set, letters)
  return redis.call(
    'ZRANGEBYLEX', key(set), '[' .. letters, '(' .. letters .. '\255', 'LIMIT', 0, 1
  )[1]
end

-- How many claims under a permit are live.
local function live(permit, now)
  local letters = grouped(permit)
  return redis.call(
    'ZLEXCOUNT', key('permits'), '(' .. letters .. now .. '\255', '(' .. letters .. '\255'
  )
end

-- The queues that claims leave out: their names, each as a key; nil when there is none.
local function paused_queues()
  local names = redis.call('ZRANGEBYLEX', key('names'), '[paused/', '(paused/\255')
  local paused
  for _, name in ipairs(names) do
    paused = paused or {}
    paused[string.sub(name, #'paused/' + 1)] = true
  end
  return paused
end

-- The queues that have rows counted under a letter, see total_of in place.lua.
local function queues_with(letter)
  local queues, seen = {}, {}
  for _, total in ipairs(redis.call('HKEYS', key('totals'))) do
    local letters, state_length, queue_length, rest =
      string.match(total, '^(%a*) (%d+) (%d+) (.*)$')
    if letters and string.find(letters, letter) then
      local queue = string.sub(rest, state_length + 1, state_length + queue_length)
      if not seen[queue] then
        seen[queue] = true
        queues[#queues + 1] = queue
      end
    end
  end
  return queues
end

-- The sets <name>:<queue> of some queues, but of those that are paused.
local function sets_of(name, queues, paused)
  local sets = {}
  for _, queue in ipairs(queues) do
    if not (paused and paused[queue]) then
      sets[#sets + 1] = {name .. ':' .. queue, ''}
    end
  end
  return sets
end

-- The members of some sets as one sequence, each with the set it is in: upwards or downwards. Of
-- each set, {its name, the letters with which the members begin that are meant}; then come digits
-- by which they are told apart: those from `from` to `to`, as ZRANGEBYLEX has it, '-' and '+' = all.
-- What is given out may be removed meanwhile.
local function merged(sets, digits, down, from, to)
  local command = down and 'ZREVRANGEBYLEX' or 'ZRANGEBYLEX'
  local streams = {}
  local function bound(letters, mark)
    if mark == '-' then
      return letters == '' and '-' or '[' .. letters
    elseif mark == '+' then
      return letters == '' and '+' or '(' .. letters .. '\255'
    end
    return string.sub(mark, 1, 1) .. letters .. string.sub(mark, 2)
  end
  for place, set in ipairs(sets) do
    local letters = set[2]
    streams[place] = {
      set = set[1], skip = #letters, from = bound(letters, from), to = bound(letters, to),
      page = {}, at = 1, size = 8,
    }
  end
  local function head(stream)
    if stream.at > #stream.page and not stream.over then
      stream.size = math.min(stream.size * 2, 1000)
      stream.page = redis.call(
        command, key(stream.set), stream.from, stream.to, 'LIMIT', 0, stream.size
      )
      stream.at = 1
      stream.over = #stream.page < stream.size
      stream.from = '(' .. (stream.page[#stream.page] or '')
    end
    return stream.page[stream.at]
  end
  return function()
    local best, first
    for _, stream in ipairs(streams) do
      local member = head(stream)
      if member then
        local digits_of = string.sub(member, stream.skip + 1, stream.skip + digits)
        if not best or (digits_of < first) ~= (down or false) then
          best, first = stream, digits_of
        end
      end
    end
    if best then
      best.at = best.at + 1
      return best.page[best.at - 1], best.set
    end
  end
end
