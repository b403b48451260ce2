-- New rows, for the scripts that insert them.

local function is_stored(id)
  return redis.call('EXISTS', key('job:' .. id)) == 1
end

-- Whether an order is a row that is like the one before it: its id and payload, and no more.
local function is_like(order)
  return type(order[1]) == 'string'
end

-- Whether any of these orders has an id that is stored.
local function any_stored(orders)
  local keys, found = {}, 0
  for at, order in ipairs(orders) do
    keys[#keys + 1] = key('job:' .. (is_like(order) and order[1] or order[1][COL.id]))
    if #keys == AT_ONCE_MOVED or at == #orders then
      found, keys = found + redis.call('EXISTS', unpack(keys)), {}
    end
  end
  return found > 0
end

-- Where the counter vanished: seqs must not be used again.
local function restore_counter()
  if redis.call('EXISTS', key('seq')) == 0 then
    local last = redis.call('ZREVRANGE', key('all'), 0, 0)[1]
    if last then
      redis.call('SET', key('seq'), string.format('%.0f', string.sub(last, 1, SEQ)))
    end
  end
end

-- Such a row with its texts, in full.
local function whole(order, before)
  local row, texts = copy(before[1]), {unpack(before[2], 1, #TEXTS)}
  row[COL.id], texts[PAYLOAD] = order[1], order[2]
  return {row, texts}
end

-- How the members of a row begin in each set it belongs in, if all of it is its own: none of its
-- members has more than that, its seq and its id.
local function beginnings(row, total)
  local found = {}
  for set, form in pairs(forms_of(row, total)) do
    found[set] = form == 'seq' and '' or form == 'rank' and rank_of(row) or row[COL[form]]
  end
  return found
end

-- Store rows that are like one that is stored, has no key and nothing to do with others: what they
-- share is written down once.
local function append_like(before, orders, first)
  local row, texts = unpack(whole(orders[1], before))
  local rest = string.sub(cjson.encode({unpack(row, COL.version, COL.shares)}), 2)
  local fields, place = {'row', ''}, nil
  for at = 1, #TEXTS do
    if texts[at] then
      fields[#fields + 1], fields[#fields + 2] = TEXTS[at], given(texts[at])
      place = at == PAYLOAD and #fields or place
    end
  end
  local tails = {}
  for number, order in ipairs(orders) do
    local seq = string.format('%016.0f', first + number - 1)
    fields[2] = '["' .. seq .. '",' .. cjson.encode(order[1]) .. ',' .. rest
    fields[place] = given(order[2])
    redis.call('HSET', key('job:' .. order[1]), unpack(fields))
    tails[number] = seq .. order[1]
  end
  local total = total_of(row)
  for set, begins in pairs(beginnings(row, total)) do
    for _, tail in ipairs(tails) do
      move(set, begins .. tail, true)
    end
  end
  row[COL.seq] = string.sub(tails[1], 1, SEQ)
  count(row, total, #tails)
end

-- Store rows whose ids and keys are free, each a row and its texts, or like the one before it; in
-- this order. The first one's seq is returned.
local function append(orders)
  restore_counter()
  local first = redis.call('INCRBY', key('seq'), #orders) - #orders + 1
  local number, before = 1, nil
  while number <= #orders do
    local like = {}
    while before and orders[number + #like] and is_like(orders[number + #like]) do
      like[#like + 1] = orders[number + #like]
    end
    if #like > 0 then
      append_like(before, like, first + number - 1)
      number = number + #like
    else
      before = orders[number]
      local row, texts = unpack(before)
      row[COL.seq] = string.format('%016.0f', first + number - 1)
      row[COL.ripe], row[COL.shares] = ripe_for(row[COL.due_at]), shares(row)
      save(row, texts)
      place(nil, row)
      number = number + 1
    end
  end
  return string.format('%.0f', first)
end
