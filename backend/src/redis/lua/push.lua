-- KEYS: a conversation. ARGV: its life in ms, how many records are kept, then the sequence and
-- the value of each record. A sequence is there once.
-- The addition comes first: a full Redis refuses a script only if it begins with one.
for i = 3, #ARGV, 2 do
  local seq, value = ARGV[i], ARGV[i + 1]
  redis.call('ZADD', KEYS[1], seq, value)
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], seq, seq)) do
    if other ~= value then
      redis.call('ZREM', KEYS[1], other)
    end
  end
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -(tonumber(ARGV[2]) + 1))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
