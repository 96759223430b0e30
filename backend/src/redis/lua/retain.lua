-- ARGV: how many to reap, life of the keys in ms, most names remembered as dead, then each live
-- node and the incarnation before its own (nothing before the first). 1 if there is more to
-- reap.
local live = {}
for i = 4, #ARGV, 2 do
  live[ARGV[i]] = true
end
local function bury(node)
  if live[node] then
    return
  end
  if not is_dead(node) then
    redis.call('HSET', DEAD, name_of(node), incarnation_of(node))
  end
  redis.call('ZADD', LEASES, 'XX', 0, node)
end
for _, node in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do
  bury(node)
end
for _, node in ipairs(redis.call('SMEMBERS', LIVE)) do
  bury(node)
end
redis.call('DEL', LIVE)
for i = 4, #ARGV, 2 do
  redis.call('SADD', LIVE, ARGV[i])
  -- A registration that is told live is live, whatever an older view said.
  if ARGV[i + 1] == '' then
    redis.call('HDEL', DEAD, name_of(ARGV[i]))
  else
    redis.call('HSET', DEAD, name_of(ARGV[i]), ARGV[i + 1])
  end
end
while redis.call('HLEN', DEAD) > tonumber(ARGV[3]) do
  redis.call('HDEL', DEAD, redis.call('HRANDFIELD', DEAD))
end
keep(ARGV[2])
return reap(ARGV[1])
