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
if seq ~= cjson.null and (row[COL.seq] ~= seq or row[COL.fence] ~= fence or row[COL.locked_by]) then
  return 's'
end
local new = copy(row)
if row[COL.state] == 'processing' then
  new[COL.lease_until] = now
else
  new[COL.lease_until], new[COL.locked_by] = false, false
end
save(new)
place(row, new)
return answer('d')
