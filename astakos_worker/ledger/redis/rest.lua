-- What a lane's requests say of its Astakos. ARGV: what; milliseconds and reason of a rest.
-- Returns {now, failures}: how many requests failed since the last one that succeeded.
--   failed    a request failed: count it
--   worked    a request succeeded: count from none
--   resume    let the lane be worked on again, and count from none
--   rest      let nobody work on the lane for so long

local what, milliseconds, reason = ARGV[1], ARGV[2], ARGV[3]
local failures = 0
if what == 'failed' then
  failures = redis.call('HINCRBY', LANE, 'failures', 1)
elseif what == 'worked' then
  redis.call('HDEL', LANE, 'failures')
elseif what == 'resume' then
  redis.call('DEL', P .. 'trial', LANE)
else
  redis.call('DEL', P .. 'trial')
  -- Several requests may fail at the same time. They start one rest; the longest of them counts.
  local till = tonumber(redis.call('HGET', LANE, 'until') or 0)
  if till <= NOW then redis.call('HINCRBY', LANE, 'level', 1) end
  if NOW + milliseconds > till then
    redis.call('HSET', LANE, 'until', NOW + milliseconds, 'reason', reason)
  end
end
return {NOW, failures}
