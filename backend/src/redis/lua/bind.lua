-- ARGV: lease and life of the keys in ms, then session, node, user and value of each entry.
-- How many were bound: those of a dead node are not.
-- The addition comes first: a full Redis refuses a script only if it begins with one.
local bound = 0
for i = 3, #ARGV, 4 do
  local session, node, user, value = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local before = read(redis.call('HGET', SESSIONS, session))
  if is_dead(node) then
    drop(session, before)
  else
    redis.call('HSET', SESSIONS, session, value)
    forget(session, before)
    redis.call('ZADD', BY_USER, 0, user .. '\0' .. session)
    redis.call('SADD', USERS, user)
    redis.call('ZADD', BY_NODE, 0, node .. ':' .. session)
    grant(node, tonumber(ARGV[1]))
    bound = bound + 1
  end
end
keep(ARGV[2])
return bound
