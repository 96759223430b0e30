-- ARGV: node, the session to begin behind (nothing: at the first), how many to look at. Where to
-- go on (nothing at the end), then its sessions that are whole: Redis may have evicted a key.
local first = ARGV[2] == '' and '[' .. ARGV[1] .. ':' or '(' .. ARGV[1] .. ':' .. ARGV[2]
local members = redis.call('ZRANGEBYLEX', BY_NODE, first, '(' .. ARGV[1] .. ';', 'LIMIT', 0, ARGV[3])
local listed = { '' }
for i, member in ipairs(members) do
  local session = string.sub(member, #ARGV[1] + 2)
  local entry = read(redis.call('HGET', SESSIONS, session))
  local whole = entry and entry.node == ARGV[1]
    and redis.call('ZSCORE', BY_USER, entry.user .. '\0' .. session)
    and redis.call('SISMEMBER', USERS, entry.user) == 1
  if whole then
    table.insert(listed, session)
  end
  if i == tonumber(ARGV[3]) then
    listed[1] = session
  end
end
return listed
