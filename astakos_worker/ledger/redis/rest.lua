-- Count failed requests of a lane, let the lane rest, or end its rest. ARGV: which; for "rest" also its
-- milliseconds and its reason. Returns {now, failures}: requests that failed since the last success.
--   failed    a request failed: count it
--   worked    a request succeeded: count from 0 again
--   resume    let carriers work on the lane again, and count from 0
--   rest      let no carrier work on the lane for this long

local what, milliseconds, reason = ARGV[1], ARGV[2], ARGV[3]
check{lane = 'hash'}
local lane = redis.call('HMGET', LANE, 'until', 'level', 'failures')
for i = 1, 3 do number(lane[i] or '0', LANE) end
local failures = 0
if what == 'failed' then
  failures = redis.call('HINCRBY', LANE, 'failures', 1)
elseif what == 'worked' then
  redis.call('HDEL', LANE, 'failures')
elseif what == 'resume' then
  redis.call('DEL', P .. 'trial', LANE)
else
  local till, rest_till = tonumber(lane[1] or 0), NOW + number(milliseconds, 'rest')
  redis.call('DEL', P .. 'trial')
  -- Several requests may fail at the same time. They start one rest; the longest of them counts.
  if till <= NOW then redis.call('HINCRBY', LANE, 'level', 1) end
  if rest_till > till then
    redis.call('HSET', LANE, 'until', string.format('%d', rest_till), 'reason', reason)
  end
end
return {NOW, failures}
