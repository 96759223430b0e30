-- ARGV: lease and life of the keys in ms, then nodes. For each 0 if it is dead, 1 if its lease
-- went on, 2 if it had none and got a new one.
-- A full Redis doesn't refuse a script that begins so.
keep(ARGV[2])
local told = {}
for i = 3, #ARGV do
  local node = ARGV[i]
  if is_dead(node) then
    table.insert(told, 0)
  else
    table.insert(told, is_live(node) and 1 or 2)
    grant(node, tonumber(ARGV[1]))
  end
end
keep(ARGV[2])
return told
