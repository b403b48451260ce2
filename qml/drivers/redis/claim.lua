-- Ripen what has fallen due, then take the best rows. Order: worker, now, lease_until, limit,
-- ahead, detail, queues (null = all). Answer: when the next row falls due or a lane may open, or
-- "", the rows as claimed, and what was wrong with the indexes.

local RIPENED_AT_ONCE = 1000

local worker, now, lease_until, limit, ahead, detail, queues = unpack(ORDER)
limit, ahead = tonumber(limit), tonumber(ahead)
local changed = false

local function first_time(set)
  local first = redis.call('ZRANGEBYLEX', key(set), '-', '+', 'LIMIT', 0, 1)[1]
  return first and string.sub(first, 1, TIME)
end

local too_many = false  -- closed lanes, or freed ones, so that there may be others behind them
local has_lanes = redis.call('EXISTS', key('open'), key('closed')) > 0

local function next_due()
  local due, opens = first_time('waiting'), has_lanes and first_time('closed')
  if too_many then
    return now
  end
  return due and opens and (due < opens and due or opens) or due or opens or ''
end

local function answered(rows, to_remember)
  arrange()
  local text = list({'"' .. next_due() .. '"', list(rows), wrong()})
  return with_texts((changed or misplaced ~= '') and answer(text, to_remember) or text)
end

-- Of a repeated call: what it took and nobody has taken from it since.
if past then
  local rows = {}
  for _, taken in ipairs(cjson.decode(past)) do
    local row, stored = read(taken[1])
    if row and row[COL.version] == taken[2] then
      rows[#rows + 1] = written(row, stored)
    end
  end
  return answered(rows)
end

local function ripen()
  local due = redis.call(
    'ZRANGEBYLEX', key('waiting'), '-', '[' .. now .. '\255', 'LIMIT', 0, RIPENED_AT_ONCE
  )
  for _, member in ipairs(due) do
    local row = read(string.sub(member, TIME + SEQ + 1))
    if row and stands_in(row, 'waiting', member) then
      local ripe = copy(row)
      ripe[COL.ripe] = '1'
      save(ripe)
      place(row, ripe)
      changed, has_lanes = true, has_lanes or in_lane(ripe)
    else
      forget('waiting', member, TIME + SEQ)
    end
  end
  arrange()
end

-- The sets of what is ready and has no lane, in the queues that are not paused.
local function ready_sets(paused)
  if queues ~= cjson.null then
    return sets_of('ready', queues, paused)
  elseif not paused then
    return {{'ready', ''}}
  end
  add_up('totals', changes)
  return sets_of('ready', queues_with('r'), paused)
end

-- The rows of some sets that may be taken, one by one, each with its place: <rank><seq><id>.
local function claimable(sets)
  local next_member = merged(sets, RANK + SEQ, false, '-', '+')
  return function()
    for member, set in next_member do
      local found = NAMES[set] and ungrouped(set, member) or member
      local row = read(string.sub(found, RANK + SEQ + 1))
      if not row or not stands_in(row, set, member) then
        forget(set, member, RANK + SEQ)
      elseif row[COL.due_at] <= now and (is_free(row, now) or holder(row) == worker) then
        return row, found
      end
    end
  end
end

local function best(sets)
  local rows, want = {}, limit + ahead
  if want > 0 and #sets > 0 then
    for row in claimable(sets) do
      rows[#rows + 1] = row
      if #rows == want then
        break
      end
    end
  end
  return rows
end

local function take(row, as_ahead)
  local new = copy(row)
  new[COL.state] = 'processing'
  for _, column in ipairs({COL.version, COL.attempt, COL.fence}) do
    new[column] = raised(row[column])
  end
  new[COL.worker], new[COL.locked_by], new[COL.lease_until] = worker, false, lease_until
  new[COL.due_at], new[COL.ripe] = false, false
  if as_ahead then new[COL.ahead] = '1' end
  if row[COL.key_held] == '1' then new[COL.key_held] = '0' end
  local stored = save(new, {detail})
  place(row, new)
  return new, stored
end

ripen()
if has_lanes then
  lanes().reopen(now)
  lanes().reopen_more(now)
end
local paused = paused_queues()
local found, settle
if has_lanes and limit > 0 then
  local chooser = chooser(lanes())
  local within = queues ~= cjson.null and queues or chooser.open_queues()
  local function rows_of(lane)
    return claimable({{'laned', grouped(lane)}})
  end
  found, settle = chooser.choose(
    chooser.gates(now, lease_until), claimable(ready_sets(paused)),
    chooser.open_lanes(within, paused), rows_of, limit, limit + ahead
  )
else
  found = best(ready_sets(paused))
end
local rows, taken, rows_with_permits = {}, {}, {}
for rank, row in ipairs(found) do
  if rank <= limit or row[COL.ahead] ~= '2' then
    local new, stored = take(row, #rows >= limit)
    if new[COL.permit] then
      rows_with_permits[#rows_with_permits + 1] = new
    end
    rows[#rows + 1] = written(new, stored)
    taken[#taken + 1] = {new[COL.id], new[COL.version]}
    changed = true
  end
end
for _, row in ipairs(rows_with_permits) do
  put_back(row[COL.permit], now)
end
too_many = settle and (settle() or redis.call('EXISTS', key('freed')) == 1)
return answered(rows, cjson.encode(taken))
