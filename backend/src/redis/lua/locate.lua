-- ARGV: how many to reap, user, how many entries. Sessions and values of live nodes, in turn.
reap(ARGV[1])
local found = {}
local members = redis.call('ZRANGEBYLEX', BY_USER, '[' .. ARGV[2] .. '\0', '(' .. ARGV[2] .. '\1', 'LIMIT', 0, ARGV[3])
for _, member in ipairs(members) do
  local session = string.sub(member, #ARGV[2] + 2)
  local value = redis.call('HGET', SESSIONS, session)
  local entry = read(value)
  if entry and entry.user == ARGV[2] and is_live(entry.node) then
    table.insert(found, session)
    table.insert(found, value)
  end
end
return found
