-- After lanes.lua: where a row belongs, by the row alone.

local AT_ONCE = '1' .. string.rep('0', TIME - 1)  -- due_at 0

local function raised(number)
  return string.format('%.0f', number + 1)
end

-- Whether the row is in the ready sets, or still to ripen.
local function ripe_for(due_at)
  return due_at and due_at <= AT_ONCE and '1'
end

local function held_key(row)
  return row[COL.key_held] ~= '0' and row[COL.unique_key]
end

local function is_running(row)
  return row[COL.state] == 'processing' and row[COL.lease_until]
end

local function is_dormant(row)
  return row[COL.awaits] and not row[COL.due_at] and not row[COL.finished_at]
    and row[COL.state] ~= 'processing'
end

-- Whether a claim of the row has a permit while its lease lasts.
local function has_permit(row)
  return row[COL.permit] and row[COL.lease_until] and not row[COL.locked_by]
end

-- The tallies that the end of a row counts for. A text that is damaged names none.
local function tallies_of(row)
  local whole, names = pcall(cjson.decode, row[COL.counts] or '[]')
  for _, name in ipairs(whole and type(names) == 'table' and names or {}) do
    whole = whole and type(name) == 'string'
  end
  return whole and type(names) == 'table' and names or {}
end

local function in_lane(row)
  return row[COL.lane] and lane_of(row[COL.lane])
end

local function rank_of(row)
  return string.format('%010.0f', 2147483648 - row[COL.priority])
end

local function place_of(row)
  return rank_of(row) .. row[COL.seq]
end

-- The sorted sets a row belongs in, and how its member of each begins, see `member`: a function of
-- the row and no more.
local function forms(row)
  local found = {
    all = 'seq', ['state:' .. row[COL.state]] = 'seq',
    ['of:' .. #row[COL.queue] .. ' ' .. row[COL.queue] .. row[COL.method]] = 'seq',
  }
  if row[COL.purge_at] then
    found.leaving = 'purge_at'
  elseif row[COL.finished_at] then
    found['finished:' .. row[COL.state]] = 'finished_at'
  end
  if row[COL.expires_at] and row[COL.due_at] then
    found.expiring = 'expires_at'
  end
  if is_running(row) then
    found.running = 'lease_until'
  end
  if row[COL.due_at] and row[COL.ripe] then
    if in_lane(row) then
      found.laned, found['laned:' .. row[COL.queue]] = 'lane', 'rank'
    else
      found.ready, found['ready:' .. row[COL.queue]] = 'rank', 'rank'
    end
  elseif row[COL.due_at] then
    found.waiting = 'due_at'
  end
  if row[COL.shares] then
    if has_permit(row) then
      found.permits = 'permit'
    end
    if row[COL.batch] then
      found.batched = 'batch'
    end
    if is_dormant(row) then
      found.awaiting = 'awaits'
    end
    for _, tally in ipairs(row[COL.finished_at] and {} or tallies_of(row)) do
      found['counting:' .. tally] = 'seq'
    end
  end
  return found
end

-- A row as a member of a set, in one of the forms that are listed in rows.lua.
local function member(row, form)
  if form == 'seq' then
    return row[COL.seq] .. row[COL.id]
  elseif form == 'rank' then
    return place_of(row) .. row[COL.id]
  elseif form == 'lane' then
    return grouped(row[COL.lane]) .. place_of(row) .. row[COL.id]
  elseif form == 'permit' then
    return grouped(row[COL.permit]) .. row[COL.lease_until] .. row[COL.seq] .. row[COL.id]
  elseif form == 'batch' then
    return grouped(row[COL.batch]) .. grouped(row[COL.state]) .. row[COL.seq] .. row[COL.id]
  elseif form == 'awaits' then
    return grouped(row[COL.awaits]) .. row[COL.seq] .. row[COL.id]
  end
  return row[COL[form]] .. row[COL.seq] .. row[COL.id]  -- a time
end

-- What rows in the same places are counted under: a letter per kind of place (r = ready, n = ready
-- in a lane, w = waiting, e = expiring, p = running, m = permits, f = finished, l = leaving, b =
-- batched, a = awaiting, k = a key), then state, queue and method. So the totals also tell how many
-- members each set must have.
local function total_of(row)
  local waits = not row[COL.ripe] and 'w' or in_lane(row) and 'n' or 'r'
  local letters = (row[COL.due_at] and waits or '')
    .. (row[COL.due_at] and row[COL.expires_at] and 'e' or '') .. (is_running(row) and 'p' or '')
    .. (row[COL.purge_at] and 'l' or row[COL.finished_at] and 'f' or '')
    .. (held_key(row) and 'k' or '')
  if row[COL.shares] then
    letters = letters .. (has_permit(row) and 'm' or '') .. (row[COL.batch] and 'b' or '')
      .. (is_dormant(row) and 'a' or '')
  end
  return letters .. ' ' .. #row[COL.state] .. ' ' .. #row[COL.queue] .. ' '
    .. row[COL.state] .. row[COL.queue] .. row[COL.method]
end

-- The same for all rows that have the same total and nothing to do with others, so asked once.
local known_forms = {}
local function forms_of(row, total)
  if row[COL.shares] then
    return forms(row)
  end
  known_forms[total] = known_forms[total] or forms(row)
  return known_forms[total]
end

-- The sets a row belongs in, with its member in each.
local function places(row)
  local found = {}
  for set, form in pairs(forms(row)) do
    found[set] = member(row, form)
  end
  return found
end

-- Whether a row is that member of a set.
local function stands_in(row, set, found)
  local form = forms_of(row, total_of(row))[set]
  return form and member(row, form) == found
end
