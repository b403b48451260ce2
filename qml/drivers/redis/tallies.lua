-- After place.lua: how many rows are left of a tally, and waking who waits for it, see
-- qml.seam.tallies. In the hash a tally is "<left> <open> <failed>", open 1 or 0.
--
-- Made when they are asked for, as those in lanes.lua.

local function make_tallies()
  local function tally_at(name)
    local text = redis.call('HGET', key('tallies'), name)
    if text then
      local left, open, failed = string.match(text, '^(-?%d+) (%d) (-?%d+)$')
      return {left = tonumber(left), open = open == '1', failed = tonumber(failed)}
    end
  end

  local function tally_text(left, open, failed)
    return string.format('%.0f %d %.0f', left, open and 1 or 0, failed)
  end

  -- Put in a tally that is not there: more are to come.
  local function open_tally(name)
    redis.call('HSETNX', key('tallies'), name, tally_text(0, true, 0))
  end

  -- No more than these are to come. It may be there still from a row that was removed.
  local function close_tally(name, left, failed)
    local before = tally_at(name) or {left = 0, failed = 0}
    redis.call(
      'HSET', key('tallies'), name, tally_text(before.left + left, false, before.failed + failed)
    )
  end

  -- A dormant row once what it waits for is over.
  local function woken(row, failed)
    local new = copy(row)
    new[COL.due_at], new[COL.ripe] = AT_ONCE, '1'
    if failed > 0 and row[COL.needs_all] == '1' then
      new[COL.expires_at] = AT_ONCE
    end
    return new
  end

  local function wake(name, failed)
    local letters = grouped(name)
    local members = redis.call(
      'ZRANGEBYLEX', key('awaiting'), '[' .. letters, '(' .. letters .. '\255'
    )
    for _, member in ipairs(members) do
      local row = read(string.sub(member, #letters + SEQ + 1))
      if row and stands_in(row, 'awaiting', member) then
        local new = woken(row, failed)
        new[COL.version] = raised(row[COL.version])
        save(new)
        place(row, new)
      else
        forget('awaiting', member, SEQ)
      end
    end
  end

  -- What a tally is from now on. One that is over goes, and wakes.
  local function put_tally(name, left, open, failed)
    if left > 0 or open then
      redis.call('HSET', key('tallies'), name, tally_text(left, open, failed))
    else
      redis.call('HDEL', key('tallies'), name)
      wake(name, failed)
    end
  end

  local function add_to_tally(name, left, failed)
    local tally = tally_at(name)
    if tally then
      put_tally(name, tally.left + left, tally.open, tally.failed + failed)
    end
  end

  -- A row has finished, is unfinished again, has come (was = nil) or gone.
  local function tell(was, is)
    local before, after = was and not was[COL.finished_at], is and not is[COL.finished_at]
    if not was then
      if is_dormant(is) then
        open_tally(is[COL.awaits])
      end
      for _, name in ipairs(after and tallies_of(is) or {}) do
        open_tally(name)
        add_to_tally(name, 1, 0)
      end
    elseif before ~= (after or false) then
      local failed = is and is[COL.state] == 'succeeded' and 0 or 1
      for _, name in ipairs(tallies_of(was)) do
        if after then
          add_to_tally(name, 1, was[COL.state] == 'succeeded' and 0 or -1)
        else
          add_to_tally(name, -1, failed)
        end
      end
    end
  end

  return {at = tally_at, put = put_tally, close = close_tally, woken = woken, tell = tell}
end

local made_tallies
tallies = function()
  made_tallies = made_tallies or make_tallies()
  return made_tallies
end
