-- The head of every script: the names of the keys, and how a row is read.
--
-- KEYS[1] is what every key begins with, "{prefix}:". The others are made from it here, and the
-- braces keep them in one slot of a cluster:
--
--   job:<id>          hash        a row: one field per column, none for an empty one; and "ripe"
--   all               sorted set  every row                         <seq><id>
--   state:<state>     sorted set  the rows in a state               <seq><id>
--   ready             sorted set  what a claim may take             <rank><seq><id>
--   ready:<queue>     sorted set  the same of one queue             <rank><seq><id>
--   waiting           sorted set  what falls due later              <due_at><seq><id>
--   running           sorted set  processing, with a lease          <lease_until><seq><id>
--   expiring          sorted set  what waits until a time only      <expires_at><seq><id>
--   finished:<state>  sorted set  what finished in a state          <finished_at><seq><id>
--   leaving           sorted set  what goes at a time of its own    <purge_at><seq><id>
--   keys              hash        unique key -> id of the row that reserves it
--   tallies           hash        how many rows stand in the same places, see tally_of in place.lua
--   seq               string      the last seq given
--   records           hash        name -> version, a space, body
--   names             sorted set  the names of the records
--   call:<lane>       string      the last call of a client and its answer, see place.lua
--   recount           string      while mend.lua counts: the seq up to which it did
--   recounted         hash        while mend.lua counts: the tallies to be
--   schema            string      the version of all this
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
  'purge_at', 'expires_at', 'created_at', 'key_held', 'unique_key', 'unique_while', 'max_retries', 'timeout_seconds',
  'job_type', 'detail', 'failures', 'metadata', 'payload', 'notes',
}

-- What guards and places ask for: all but the texts that may be large.
local GUARDS = {
  'seq', 'id', 'version', 'state', 'queue', 'priority', 'method', 'attempt', 'fence', 'ahead',
  'worker', 'locked_by', 'lease_until', 'due_at', 'finished_at', 'purge_at', 'expires_at',
  'key_held', 'unique_key', 'ripe',
}

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
  return whole and row or nil
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

-- The members of some sorted sets as one sequence, each with the set it is in: upwards from `from`
-- to `to`, or downwards. They begin with `digits` digits by which they are told apart. What is
-- given out may be removed meanwhile.
local function merged(sets, digits, down, from, to)
  local command = down and 'ZREVRANGEBYLEX' or 'ZRANGEBYLEX'
  local streams = {}
  for place, set in ipairs(sets) do
    streams[place] = {set = set, from = from, page = {}, at = 1, size = 8}
  end
  local function head(stream)
    if stream.at > #stream.page and not stream.over then
      stream.size = math.min(stream.size * 2, 1000)
      stream.page = redis.call(
        command, key(stream.set), stream.from, to, 'LIMIT', 0, stream.size
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
        local digits_of = string.sub(member, 1, digits)
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
