-- One of a rate, by GCRA on the clock of Redis.
-- KEYS: the rate's state, the time at which it is whole again, in microseconds.
-- ARGV: microseconds between two, how many at once.
-- Answers 0, or the microseconds to wait.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local whole = tonumber(redis.call('GET', KEYS[1]) or now)
-- A clock that jumped back must not lock anybody out for longer than the whole burst takes.
whole = math.min(math.max(whole, now), now + each * burst)
local wait = whole + each - each * burst - now
if wait > 0 then
  return math.ceil(wait)
end
redis.call('SET', KEYS[1], string.format('%.3f', whole + each), 'PX', math.ceil((whole + each - now) / 1000) + 1)
return 0
