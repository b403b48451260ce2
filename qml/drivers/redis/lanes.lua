-- After calls.lua: hints of where the best row of a lane is and when it may open, see
-- qml.seam.lanes. A hint may be too good; what a lane allows is asked by the claim.
--
-- In the hash it is <rank><seq> of the best ready row of the lane; of one that was found closed,
-- then "c", or "s" for want of a permit, and <opens_at>.
--
-- A script defines its functions anew with each call. These are for the few that meet a lane, so
-- they are made when they are asked for.

local LANE = {'queue', 'permit', 'permits', 'pace', 'gap', 'burst'}

-- What qml.seam.lanes.encode wrote, as a table; false for any other text, on a damaged row.
local decoded = {}
local function lane_of(text)
  if decoded[text] == nil then
    local whole, parts = pcall(cjson.decode, text)
    local lane = whole and type(parts) == 'table' and {}
    for place = 1, lane and #LANE or 0 do
      if parts[place] ~= cjson.null then
        lane[LANE[place]] = parts[place]
      end
    end
    for _, column in ipairs({'permits', 'gap', 'burst'}) do
      lane = lane and (not lane[column] or tonumber(lane[column])) and lane
    end
    decoded[text] = lane and type(lane.queue) == 'string' and lane or false
  end
  return decoded[text]
end

local function make_lanes()
  local REOPENED_AT_ONCE = 1000

  local function hint_of(lane)
    local text = redis.call('HGET', key('lanes'), lane)
    if text then
      local best, mark, opens_at = string.match(text, '^(%d+)(%a?)(%d*)$')
      return {best = best, shut = mark == 's', opens_at = mark ~= '' and opens_at or nil}
    end
  end

  -- The members that a hint has in the sorted sets.
  local function hint_places(lane, hint)
    if not hint then
      return {}
    elseif not hint.opens_at then
      return {open = grouped(lane_of(lane).queue) .. hint.best .. lane}
    end
    local permit = hint.shut and lane_of(lane).permit
    return {
      closed = hint.opens_at .. lane, shut = permit and grouped(permit) .. hint.best .. lane or nil,
    }
  end

  -- The hint of a lane is now another. nil = there was, or will be, none.
  local function put_hint(lane, was, is)
    begin()
    local old, new = hint_places(lane, was), hint_places(lane, is)
    for set, member in pairs(old) do
      if new[set] ~= member then
        redis.call('ZREM', key(set), member)
      end
    end
    for set, member in pairs(new) do
      redis.call('ZADD', key(set), 0, member)
    end
    if is then
      local mark = is.opens_at and (is.shut and 's' or 'c') .. is.opens_at or ''
      redis.call('HSET', key('lanes'), lane, is.best .. mark)
    else
      redis.call('HDEL', key('lanes'), lane)
    end
  end

  -- The lane of a member of "open", "closed" or "shut", and its hint; what agrees with none goes.
  local function hinted(set, member)
    local lane = string.sub(ungrouped(set, member), (set == 'closed' and TIME or RANK + SEQ) + 1)
    local hint = hint_of(lane)
    if hint_places(lane, hint)[set] ~= member then
      begin()
      redis.call('ZREM', key(set), member)
      misplaced = 'yes'
      return nil
    end
    return lane, hint
  end

  -- <rank><seq> of the best of the ready rows of a lane.
  local function best_in(lane)
    local member = first_with('laned', grouped(lane))
    return member and string.sub(ungrouped('laned', member), 1, RANK + SEQ)
  end

  -- A row has become ready in a lane.
  local function came(lane, place)
    local hint = hint_of(lane)
    if not hint then
      put_hint(lane, nil, {best = place})
    elseif place < hint.best then
      put_hint(lane, hint, {best = place, shut = hint.shut, opens_at = hint.opens_at})
    end
  end

  -- A row of a lane is ready no more.
  local function went(lane, place)
    local hint = hint_of(lane)
    if hint and hint.best == place then
      local best = best_in(lane)
      put_hint(lane, hint, best and {best = best, shut = hint.shut, opens_at = hint.opens_at})
    end
  end

  -- Whether there may be more.
  local function reopen_all(set, from, to)
    local members = redis.call(
      'ZRANGEBYLEX', key(set), from, to, 'LIMIT', 0, REOPENED_AT_ONCE
    )
    for _, member in ipairs(members) do
      local lane, hint = hinted(set, member)
      if lane then
        put_hint(lane, hint, {best = hint.best})
      end
    end
    return #members == REOPENED_AT_ONCE
  end

  -- The time of closed lanes has come.
  local function reopen(now)
    reopen_all('closed', '-', '[' .. now .. '\255')
  end

  -- A claim under this permit may have ended: its lanes may be open, the best ones first.
  local function reopen_of(permit)
    local letters = grouped(permit)
    if reopen_all('shut', '[' .. letters, '(' .. letters .. '\255') then
      redis.call('HSET', key('freed'), permit, '')
    end
  end

  -- Those behind them: what was opened may be kept back by a rate, or by a pause. Until somebody
  -- has the permit.
  local function reopen_more(now)
    for _, permit in ipairs(redis.call('HKEYS', key('freed'))) do
      begin()
      redis.call('HDEL', key('freed'), permit)
      local member = first_with('shut', grouped(permit))
      local lane = member and hinted('shut', member)
      local permits = lane and tonumber(lane_of(lane).permits)
      if member and not (permits and live(permit, now) >= permits) then
        reopen_of(permit)
      end
    end
  end

  -- When the n-th of the live claims under a permit ends.
  local function lease_end(permit, now, n)
    local letters = grouped(permit)
    local member = redis.call(
      'ZRANGEBYLEX', key('permits'), '(' .. letters .. now .. '\255', '(' .. letters .. '\255',
      'LIMIT', n - 1, 1
    )[1]
    return member and string.sub(member, #letters + 1, #letters + TIME)
  end

  return {
    hint_of = hint_of, put_hint = put_hint, hinted = hinted,
    best_in = best_in, came = came, went = went, reopen = reopen,
    reopen_of = reopen_of, reopen_more = reopen_more, lease_end = lease_end,
  }
end

local made_lanes
local function lanes()
  made_lanes = made_lanes or make_lanes()
  return made_lanes
end
