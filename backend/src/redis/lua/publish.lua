-- KEYS: the list. ARGV: epoch, list, its life in ms. 0 if a newer epoch's list is there.
local newest = redis.call('HGET', KEYS[1], 'epoch')
if newest and newest > ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'list', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
