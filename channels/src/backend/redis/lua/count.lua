-- How many of one name this server has: written whole, so that writing it again changes nothing.
-- KEYS: counts by lease; names that somebody has; names of this lease.
-- ARGV: lease, name, name with its kind, value, limit (-1: none), whether less than the value will do, expiry in ms,
--       leases of servers that are dead.
-- Answers the value that stands now, or -1 where it would exceed the limit.
local value, limit = tonumber(ARGV[4]), tonumber(ARGV[5])
for i = 8, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[i])
end
if value > 0 and limit >= 0 then
  local others, all = 0, redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if all[i] ~= ARGV[1] then
      others = others + tonumber(all[i + 1])
    end
  end
  if others + value > limit then
    if ARGV[6] == '0' then
      return -1
    end
    value = math.max(limit - others, 0)
  end
end
if value > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], value)
  redis.call('SADD', KEYS[2], ARGV[2])
  redis.call('SADD', KEYS[3], ARGV[3])
  for i = 1, 3 do
    redis.call('PEXPIRE', KEYS[i], ARGV[7])
  end
else
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('SREM', KEYS[3], ARGV[3])
  if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('SREM', KEYS[2], ARGV[2])
  end
end
return value
