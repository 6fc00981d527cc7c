-- This server lives.
-- KEYS: beats by lease; connections by lease; permits by lease; leases that are condemned; what each says of
--       itself by lease.
-- ARGV: lease, connections, expiry in ms, whether it registers now, what it says of itself.
-- Answers all beats and the condemned, or nothing where the lease has been taken away.
if ARGV[4] == '0' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return false
end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[5], ARGV[1], ARGV[5])
if ARGV[4] == '1' then
  -- Whoever was condemned by a server of an older version has left this behind.
  local said = redis.call('HGETALL', KEYS[5])
  for i = 1, #said, 2 do
    if redis.call('HEXISTS', KEYS[1], said[i]) == 0 then
      redis.call('HDEL', KEYS[5], said[i])
    end
  end
end
for i = 1, 5 do
  redis.call('PEXPIRE', KEYS[i], ARGV[3])
end
return {redis.call('HGETALL', KEYS[1]), redis.call('SMEMBERS', KEYS[4])}
