-- Ripen what has fallen due, then take the best rows. Order: worker, now, lease_until, limit,
-- ahead, detail, queues (null = all). Answer: when the next row falls due or "", the rows as
-- claimed, and what was wrong with the indexes.

local RIPENED_AT_ONCE = 1000

local worker, now, lease_until, limit, ahead, detail, queues = unpack(ORDER)
limit, ahead = tonumber(limit), tonumber(ahead)
local changed = false

local function next_due()
  local first = redis.call('ZRANGEBYLEX', key('waiting'), '-', '+', 'LIMIT', 0, 1)[1]
  return first and string.sub(first, 1, TIME) or ''
end

local function answered(rows, to_remember)
  local text = list({'"' .. next_due() .. '"', list(rows), wrong()})
  return (changed or misplaced ~= '') and answer(text, to_remember) or text
end

-- Of a repeated call: what it took and nobody has taken from it since.
if past then
  local rows = {}
  for _, taken in ipairs(cjson.decode(past)) do
    local row = read(taken[1])
    if row and row.version == taken[2] then
      rows[#rows + 1] = written(row.id)
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
    if row and places(row).waiting == member then
      local ripe = copy(row)
      ripe.ripe = '1'
      save(ripe, {'ripe'})
      place(row, ripe)
      changed = true
    else
      forget('waiting', member, TIME + SEQ)
    end
  end
end

local function best()
  local sets = {'ready'}
  if queues ~= cjson.null then
    sets = {}
    for place_in_list, queue in ipairs(queues) do
      sets[place_in_list] = 'ready:' .. queue
    end
  end
  local rows, want = {}, limit + ahead
  if want == 0 then
    return rows
  end
  for member, set in merged(sets, RANK + SEQ, false, '-', '+') do
    local row = read(string.sub(member, RANK + SEQ + 1))
    if not row or places(row)[set] ~= member then
      forget(set, member, RANK + SEQ)
    elseif row.due_at <= now and (is_free(row, now) or holder(row) == worker) then
      rows[#rows + 1] = row
      if #rows == want then
        break
      end
    end
  end
  return rows
end

local SAVED = {
  'state', 'version', 'attempt', 'fence', 'ahead', 'worker', 'locked_by', 'lease_until', 'due_at',
  'ripe', 'key_held', 'detail',
}

local function take(row, as_ahead)
  local new = copy(row)
  new.state, new.detail = 'processing', detail
  new.version, new.attempt, new.fence = raised(row.version), raised(row.attempt), raised(row.fence)
  new.worker, new.locked_by, new.lease_until = worker, nil, lease_until
  new.due_at, new.ripe = nil, nil
  if as_ahead then new.ahead = '1' end
  if row.key_held == '1' then new.key_held = '0' end
  save(new, SAVED)
  place(row, new)
  return new
end

ripen()
local rows, taken = {}, {}
for rank, row in ipairs(best()) do
  if rank <= limit or row.ahead ~= '2' then
    local new = take(row, #rows >= limit)
    rows[#rows + 1] = written(row.id)
    taken[#taken + 1] = cjson.encode({row.id, new.version})
    changed = true
  end
end
return answered(rows, list(taken))
