-- KEYS: buckets. ARGV: for each bucket its life in ms and how many words it keeps, then each
-- word with its count. Counts are kept negative, so that the first of a set is said most, and
-- of two with one count the one that sorts first.
local first = 2 * #KEYS + 1
for b, bucket in ipairs(KEYS) do
  for i = first, #ARGV, 2 do
    redis.call('ZINCRBY', bucket, '-' .. ARGV[i + 1], ARGV[i])
  end
  local kept = tonumber(ARGV[2 * b])
  if redis.call('ZCARD', bucket) >= 2 * kept then
    redis.call('ZREMRANGEBYRANK', bucket, kept, -1)
  end
  redis.call('PEXPIRE', bucket, ARGV[2 * b - 1])
end
return 1
