-- This server lives.
-- KEYS: beats by lease; connections by lease; permits by lease; leases that are condemned.
-- ARGV: lease, connections, expiry in ms, whether it registers now.
-- Answers all beats and the condemned, or nothing where the lease has been taken away.
if ARGV[4] == '0' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return false
end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for i = 1, 4 do
  redis.call('PEXPIRE', KEYS[i], ARGV[3])
end
return {redis.call('HGETALL', KEYS[1]), redis.call('SMEMBERS', KEYS[4])}
