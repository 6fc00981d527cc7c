-- How many connections this server may have without asking again.
-- KEYS: permits by lease; beats by lease.
-- ARGV: lease, permits wanted, fewest that are of use, total of all servers, expiry in ms, leases of servers that
--       are dead.
-- Answers the permits that it has now, or -1 where the lease has been taken away.
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then
  return -1
end
for i = 6, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[i])
end
local wanted, others, own = tonumber(ARGV[2]), 0, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] == ARGV[1] then
    own = tonumber(all[i + 1])
  else
    others = others + tonumber(all[i + 1])
  end
end
local granted = math.min(wanted, tonumber(ARGV[4]) - others)
if granted < tonumber(ARGV[3]) then
  return own
end
if granted > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], granted)
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return granted
