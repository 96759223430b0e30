-- ARGV: how many to reap. The number of users, and 1 if some of them are still to be reaped.
local more = reap(ARGV[1])
return { redis.call('SCARD', USERS), more }
