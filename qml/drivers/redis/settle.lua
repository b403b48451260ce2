-- Mending, second part as well: the hints of lanes as the rows make them. Order: lanes. They may be
-- open: a claim will find out. Answer: "done".

if past then
  return past
end

for _, lane in ipairs(ORDER) do
  local best = lanes().best_in(lane)
  lanes().put_hint(lane, lanes().hint_of(lane), best and {best = best})
end
return answer('"done"')
