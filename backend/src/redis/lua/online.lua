-- ARGV: how many to reap, where to begin, how many sessions to look at. Where to go on (nothing
-- at the end), then the user of each live session.
reap(ARGV[1])
local members = redis.call('ZRANGEBYLEX', BY_USER, ARGV[2], '+', 'LIMIT', 0, ARGV[3])
local found = { '' }
for _, member in ipairs(members) do
  local cut = string.find(member, '\0', 1, true)
  local entry = cut and read(redis.call('HGET', SESSIONS, string.sub(member, cut + 1)))
  if entry and is_live(entry.node) then
    table.insert(found, entry.user)
  end
end
if #members == tonumber(ARGV[3]) then
  found[1] = '(' .. members[#members]
end
return found
