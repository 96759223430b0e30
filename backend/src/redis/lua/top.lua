-- KEYS: a key for the sum, then buckets. ARGV: how many words.
-- The removal comes first: a full Redis doesn't refuse a script that begins with one.
redis.call('DEL', KEYS[1])
redis.call('ZUNIONSTORE', KEYS[1], #KEYS - 1, unpack(KEYS, 2))
local top = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
redis.call('DEL', KEYS[1])
return top
