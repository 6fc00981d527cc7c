-- What is left of a claim that has ended.
-- KEYS: what was to be done. ARGV: who did it, how long to keep in ms (0: it was not done), what to keep.
-- Answers 1, also where the same is kept already, or 0 where the claim was not theirs any more.
local kept = redis.call('GET', KEYS[1])
if kept ~= 'r' .. ARGV[1] then
  -- Whoever did not hear that it was kept asks again.
  return ARGV[2] ~= '0' and kept == 's' .. ARGV[3] and 1 or 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], 's' .. ARGV[3], 'PX', ARGV[2])
end
return 1
