-- The head of every script: the names of the keys, and how a row is read.
--
-- KEYS[1] is what every key begins with, "{prefix}:". The others are made from it here, and the
-- braces keep them in one slot of a cluster:
--
--   job:<id>          hash        a row: "row" = its columns, a JSON array; and each of TEXTS
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
--   totals            hash        how many rows stand in the same places, see total_of in places.lua
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
--   hints             channel     where is told that there may be something to do
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
-- same as values of the protocol takes it (6 instead of 21 us to read a row). Only large texts go
-- beside the JSON, as values of their own: see `written`, and calls.lua.

local BASE = KEYS[1]

-- A row is an array of its columns, false for an empty one: so it is read, copied and written at
-- once, where a table of names is made step by step. They are in the order of qml.seam.rows.Row;
-- then whether it is ripe, which is to say in a ready set, and whether it has to do with others.
local COL = {
  seq = 1, id = 2, version = 3, state = 4, queue = 5, priority = 6, method = 7, attempt = 8,
  fence = 9, max_attempts = 10, ahead = 11, worker = 12, locked_by = 13, lease_until = 14,
  due_at = 15, finished_at = 16, purge_at = 17, expires_at = 18, created_at = 19, key_held = 20,
  unique_key = 21, unique_while = 22, max_retries = 23, timeout_seconds = 24, job_type = 25,
  lane = 26, permit = 27, batch = 28, counts = 29, awaits = 30, needs_all = 31, ripe = 32,
  shares = 33,
}

-- The texts of a row, which may be large, are an array of their own.
local TEXTS = {'detail', 'failures', 'metadata', 'payload', 'notes'}

-- Bytes of a text that does not go into the JSON: cjson, and what is made of its text, take the
-- server 10 us per 1,000.
local LARGE = 4000

local SEQ, RANK, TIME = 16, 10, 20  -- digits

local function key(name)
  return BASE .. name
end

-- A row; nil when there is none, or what is left of one. And as it is stored.
local function read(id)
  local stored = redis.call('HGET', key('job:' .. id), 'row')
  local readable, row = pcall(cjson.decode, stored or '')
  local whole = readable and type(row) == 'table' and row[COL.seq] and row[COL.id]
    and row[COL.version] and row[COL.state] and row[COL.queue] and row[COL.priority]
    and row[COL.method] and row[COL.key_held]
  if whole then
    return row, stored
  end
end

-- A copy of a row, to be changed.
local function copy(row)
  return {unpack(row, 1, COL.shares)}
end

-- Whether a row has to do with others, as it stands in the row.
local function shares(row)
  return (row[COL.lane] or row[COL.permit] or row[COL.batch] or row[COL.counts]
    or row[COL.awaits]) and '1'
end

-- The answer as JSON, and from the second place on the large texts of its rows.
local reply, reply_size = {''}, 0

-- A whole row for an answer: as it is stored, and its texts; of a large one, its place in the reply,
-- counted from 0.
local function written(row, stored)
  local texts = redis.call('HMGET', key('job:' .. row[COL.id]), unpack(TEXTS))
  for place = 1, #TEXTS do
    local text = texts[place]
    if text and #text > LARGE then
      texts[place] = #reply
      reply[#reply + 1] = text
      reply_size = reply_size + #text
    end
  end
  return '[' .. stored .. ',' .. cjson.encode(texts) .. ']'
end

-- An answer with the rows that were written.
local function with_texts(text)
  reply[1] = text
  return #reply > 1 and reply or text
end

local function list(texts)
  return '[' .. table.concat(texts, ',') .. ']'
end

local function holder(row)
  return row[COL.locked_by] or row[COL.worker]
end

local function is_free(row, now)
  return not row[COL.lease_until] or row[COL.lease_until] <= now
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

-- The queues that have rows counted under a letter, see total_of in places.lua.
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
  -- A heap of those that go on: there may be thousands, and the first is wanted each time.
  local heap, given = {}, false
  local function sink(at)
    local first = at
    for child = 2 * at, 2 * at + 1 do
      local one, other = heap[child], heap[first]
      if one and (one.digits < other.digits) ~= (down or false) then
        first = child
      end
    end
    if first ~= at then
      heap[at], heap[first] = heap[first], heap[at]
      return sink(first)
    end
  end
  local function goes_on(stream)
    local member = head(stream)
    stream.digits = member and string.sub(member, stream.skip + 1, stream.skip + digits)
    return member
  end
  local function begin_heap()
    for _, stream in ipairs(streams) do
      heap[#heap + 1] = goes_on(stream) and stream or nil
    end
    for at = math.floor(#heap / 2), 1, -1 do
      sink(at)
    end
  end
  return function()
    if not given then
      begin_heap()
    elseif heap[1] and not goes_on(heap[1]) then
      heap[1] = heap[#heap]
      heap[#heap] = nil
    end
    given = true
    local best = heap[1]
    if best then
      sink(1)
      best = heap[1]
      best.at = best.at + 1
      return best.page[best.at - 1], best.set
    end
  end
end
