-- Before claim.lua: which rows a claim takes where lanes keep some back. The same is decided in
-- qml/drivers/lanes.py for drivers that can do it there.
-- Made when it is asked for, as what is in lanes.lua.

local function chooser(lanes)
  local LOOKED_AT_ONCE = 2000  -- lanes that let nobody pass, per claim

  -- What lanes allow to one claim, with what it has taken already.
  local function gates(now, lease_until)
    local uses, paces, start = {}, {}, micros(now)

    local function use_of(permit)
      if not uses[permit] then
        uses[permit] = {live = live(permit, now), taken = 0}
      end
      return uses[permit]
    end

    local function pace_of(pace)
      local stored = paces[pace] or redis.call('HGET', key('paces'), pace)
      return stored and micros(stored) or 0
    end

    -- When there is a permit again; nil = there is. It is the n-th of the live leases that has to
    -- end, and those that this claim took end at `lease_until`.
    local function permit_at(permit, permits)
      local use = use_of(permit)
      local n = use.live + use.taken - permits + 1
      if n < 1 then
        return nil
      end
      local at = n <= use.live and lanes.lease_end(permit, now, n) or lease_until
      if use.taken > 0 and lease_until < at then at = lease_until end
      local earlier = n > use.taken and lanes.lease_end(permit, now, n - use.taken)
      return earlier and earlier > at and earlier or at
    end

    -- When a lane may let a row pass, nil = now; and whether it is a permit that it wants.
    local function closed(text)
      local lane = lane_of(text)
      local opens_at = lane.permits and permit_at(lane.permit, tonumber(lane.permits))
      local shut = opens_at
      if lane.pace then
        local at = pace_of(lane.pace) - ((lane.burst or 1) - 1) * lane.gap
        if at > start and not (opens_at and opens_at > moment(at)) then
          opens_at = moment(at)
        end
      end
      return opens_at, shut and true or false
    end

    -- A row is taken. One that has expired is not to start: it uses up no start.
    local function use(row)
      local lane = lane_of(row[COL.lane])
      if lane.permit then
        local found = use_of(lane.permit)
        found.taken = found.taken + 1
      end
      local expired = row[COL.expires_at] and row[COL.expires_at] <= now
      if lane.pace and not expired then
        paces[lane.pace] = moment(math.max(pace_of(lane.pace), start) + lane.gap)
      end
    end

    -- Keep the new times; for each, look at three others, and forget those that are over.
    local function keep()
      local number = 0
      for pace, time in pairs(paces) do
        redis.call('HSET', key('paces'), pace, time)
        number = number + 3
      end
      local some = number > 0 and redis.call('HRANDFIELD', key('paces'), number, 'WITHVALUES') or {}
      for place = 1, #some, 2 do
        if some[place + 1] <= now then
          redis.call('HDEL', key('paces'), some[place])
        end
      end
    end

    return {closed = closed, use = use, keep = keep}
  end

  -- The queues that have lanes that may be open: from one to the next, past all lanes of each.
  local function open_queues()
    local queues, from = {}, '-'
    while true do
      local member = redis.call('ZRANGEBYLEX', key('open'), from, '+', 'LIMIT', 0, 1)[1]
      if not member then
        return queues
      end
      local length, rest = string.match(member, '^(%d+):()')
      queues[#queues + 1] = string.sub(member, rest, rest + length - 1)
      from = '(' .. grouped(queues[#queues]) .. '\255'
    end
  end

  -- The lanes of some queues that may be open, by the place of their best, each with its hint.
  local function open_lanes(queues, paused)
    local sets = {}
    for _, queue in ipairs(queues) do
      if not (paused and paused[queue]) then
        sets[#sets + 1] = {'open', grouped(queue)}
      end
    end
    local next_member = merged(sets, RANK + SEQ, false, '-', '+')
    return function()
      for member in next_member do
        local lane, hint = lanes.hinted('open', member)
        if lane then
          return lane, hint
        end
      end
    end
  end

  -- The best rows of those without a lane and those of lanes that let them pass; `want` in all, and
  -- beyond `limit` those without a lane only. `plain` and each `rows_of` give one row at a time, and
  -- its place. `settle` is to be called when the rows are taken: it writes what was found of their
  -- lanes, and tells whether there were more lanes than are looked at.
  local function choose(gate, plain, open, rows_of, limit, want)
    local rows, heads, closed, empty, vain = {}, {}, {}, {}, 0
    local lane, hint = open()

    local function advance(head, at)
      head.row, head.place = head.next()
      if not head.row then
        table.remove(heads, at)
      end
    end

    -- A lane that is closed is not asked for its rows.
    local function join()
      local opens_at, shut = gate.closed(lane)
      if opens_at then
        closed[lane] = {opens_at = opens_at, shut = shut}
        vain = vain + 1
      else
        local head = {lane = lane, next = rows_of(lane)}
        heads[#heads + 1] = head
        advance(head, #heads)
        if not head.row then
          empty[#empty + 1] = lane
          vain = vain + 1
        end
      end
      lane, hint = nil, nil
      if vain < LOOKED_AT_ONCE then
        lane, hint = open()
      end
    end

    -- The best of the rows in lanes, if it is better than the one at `place`.
    local function first(place)
      while true do
        local at
        for number = 1, #heads do
          if not at or heads[number].place < heads[at].place then at = number end
        end
        local best = at and heads[at].place
        if not lane or (best and best < hint.best) or (place and place < hint.best) then
          if best and not (place and place < best) then
            return heads[at], at
          end
          return nil
        end
        join()
      end
    end

    local row, place = plain()
    while #rows < limit do
      local head, at = first(place)
      if head then
        local opens_at, shut = gate.closed(head.lane)
        if opens_at then
          closed[head.lane] = {opens_at = opens_at, shut = shut}
          table.remove(heads, at)
        else
          gate.use(head.row)
          rows[#rows + 1] = head.row
          advance(head, at)
        end
      elseif row then
        rows[#rows + 1] = row
        row, place = plain()
      else
        break
      end
    end
    while row and #rows < want do
      rows[#rows + 1] = row
      row = plain()
    end

    local function settle()
      for text, found in pairs(closed) do
        local hint = lanes.hint_of(text)
        if hint then
          found.best = hint.best
          lanes.put_hint(text, hint, found)
        end
      end
      for _, text in ipairs(empty) do
        if not lanes.best_in(text) then
          lanes.put_hint(text, lanes.hint_of(text), nil)
        end
      end
      gate.keep()
      return vain >= LOOKED_AT_ONCE
    end
    return rows, settle
  end

  return {
    gates = gates, open_queues = open_queues, open_lanes = open_lanes, choose = choose,
  }
end
