-- End what a worker holds. Order: id, worker, now, and the seq and fence of the claim that is
-- meant, or null twice for whatever it holds. Answer: a letter, as in swap.lua.

if past then
  return past
end

local id, worker, now, seq, fence = unpack(ORDER)
local row = read(id)
if not row then
  return 'g'
end
if is_free(row, now) or holder(row) ~= worker then
  return 's'
end
if seq ~= cjson.null and (row.seq ~= seq or row.fence ~= fence or row.locked_by) then
  return 's'
end
local new = copy(row)
if row.state == 'processing' then
  new.lease_until = now
else
  new.lease_until, new.locked_by = nil, nil
end
save(new, {'lease_until', 'locked_by'})
place(row, new)
return answer('d')
