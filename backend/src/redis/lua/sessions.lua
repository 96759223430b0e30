-- What the scripts of the session registry share.
--
-- KEYS: entries by session; "user\0session" by name; users; "node:session" by name; the end of
-- each node's lease; by name the highest incarnation that is dead; the nodes last told live. A
-- node is its incarnation in 20 digits, a colon, and its name.
local SESSIONS, BY_USER, USERS, BY_NODE, LEASES, DEAD, LIVE = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function read(value)
  if not value then
    return nil
  end
  local node, user = string.match(value, '^1\n([^\n]*)\n([^\n]*)\n%d+$')
  return node and { node = node, user = user }
end

local function name_of(node)
  return string.sub(node, 22)
end

local function incarnation_of(node)
  return string.sub(node, 1, 20)
end

local function is_dead(node)
  local newest = redis.call('HGET', DEAD, name_of(node))
  return newest and incarnation_of(node) <= newest
end

local function is_live(node)
  local ends = redis.call('ZSCORE', LEASES, node)
  return ends and tonumber(ends) > now
end

local function grant(node, lease)
  redis.call('ZADD', LEASES, string.format('%.0f', now + lease), node)
end

-- What nobody renews is gone after a while.
local function keep(ms)
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, ms)
  end
end

local function forget(session, entry)
  if not entry then
    return
  end
  redis.call('ZREM', BY_NODE, entry.node .. ':' .. session)
  redis.call('ZREM', BY_USER, entry.user .. '\0' .. session)
  local other = redis.call('ZRANGEBYLEX', BY_USER, '[' .. entry.user .. '\0', '(' .. entry.user .. '\1', 'LIMIT', 0, 1)
  if #other == 0 then
    redis.call('SREM', USERS, entry.user)
  end
end

local function drop(session, entry)
  redis.call('HDEL', SESSIONS, session)
  forget(session, entry)
end

-- Removes some sessions of a node whose lease has ended; 1 if there is more to remove.
local function reap(most)
  local ended = redis.call('ZRANGEBYSCORE', LEASES, '-inf', string.format('%.0f', now), 'LIMIT', 0, 1)
  local node = ended[1]
  if not node then
    return 0
  end
  local members = redis.call('ZRANGEBYLEX', BY_NODE, '[' .. node .. ':', '(' .. node .. ';', 'LIMIT', 0, most)
  for _, member in ipairs(members) do
    local session = string.sub(member, #node + 2)
    local entry = read(redis.call('HGET', SESSIONS, session))
    if entry and entry.node == node then
      drop(session, entry)
    end
    redis.call('ZREM', BY_NODE, member)
  end
  if #members < tonumber(most) then
    redis.call('ZREM', LEASES, node)
  end
  return redis.call('ZCOUNT', LEASES, '-inf', string.format('%.0f', now)) > 0 and 1 or 0
end

