-- Who does what must be done once.
-- KEYS: what is to be done. ARGV: who asks, the lease in ms.
-- Answers 1 to whoever is to do it, 0 where somebody else does, or what was left of it when it was done.
local kept = redis.call('GET', KEYS[1])
if not kept then
  redis.call('SET', KEYS[1], 'r' .. ARGV[1], 'PX', ARGV[2])
  return 1
end
if string.sub(kept, 1, 1) == 's' then
  return string.sub(kept, 2)
end
return kept == 'r' .. ARGV[1] and 1 or 0
