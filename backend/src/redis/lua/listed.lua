-- ARGV: node, the session to begin behind (nothing: at the first), how many. Its sessions.
local first = ARGV[2] == '' and '[' .. ARGV[1] .. ':' or '(' .. ARGV[1] .. ':' .. ARGV[2]
local members = redis.call('ZRANGEBYLEX', BY_NODE, first, '(' .. ARGV[1] .. ';', 'LIMIT', 0, ARGV[3])
for i, member in ipairs(members) do
  members[i] = string.sub(member, #ARGV[1] + 2)
end
return members
