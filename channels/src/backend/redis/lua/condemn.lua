-- A server is dead, or goes: its lease is taken away, and what it counted is to be cleaned up.
-- KEYS: beats by lease; connections by lease; permits by lease; leases that are condemned; what each says of
--       itself by lease.
-- ARGV: lease, the beat at which it stood still (empty: it goes by itself), expiry in ms.
-- Answers whether this call did it.
local beat = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[2] ~= '' and beat ~= ARGV[2] then
  return 0
end
for _, key in ipairs({KEYS[1], KEYS[2], KEYS[3], KEYS[5]}) do
  redis.call('HDEL', key, ARGV[1])
end
redis.call('SADD', KEYS[4], ARGV[1])
redis.call('PEXPIRE', KEYS[4], ARGV[3])
return 1
