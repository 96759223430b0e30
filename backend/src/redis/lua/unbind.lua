-- ARGV: "user" or "node", whose the sessions must be, the sessions. Compare and delete.
for i = 3, #ARGV do
  local entry = read(redis.call('HGET', SESSIONS, ARGV[i]))
  if entry and entry[ARGV[1]] == ARGV[2] then
    drop(ARGV[i], entry)
  end
end
return 1
