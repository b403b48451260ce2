-- Rows by id. ARGV[1]: ids, as JSON. Answer: rows, null for an unknown one.

local rows = {}
for index, id in ipairs(cjson.decode(ARGV[1])) do
  local row, stored = read(id)
  rows[index] = row and written(row, stored) or 'null'
end
return with_texts(list(rows))
