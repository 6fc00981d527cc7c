-- What is left of a claim that has ended.
-- KEYS: what was to be done. ARGV: who did it, how long to keep in ms (0: it was not done), what to keep.
-- Answers 1, or 0 where the claim was not theirs any more.
if redis.call('GET', KEYS[1]) ~= 'r' .. ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], 's' .. ARGV[3], 'PX', ARGV[2])
end
return 1
