-- Go on with a lane of which acknowledged writes are gone. Returns {now, writes, trusted}.

local lost = redis.call('GET', P .. 'distrust')
local writes = tonumber(redis.call('GET', P .. 'writes') or 0)
if lost then
  -- Far above all that anyone was ever told of, so that nobody notices the same loss again.
  writes = math.max(writes, tonumber(lost)) + 1000000000
  redis.call('SET', P .. 'writes', writes)
  redis.call('DEL', P .. 'distrust')
  redis.call('HDEL', P .. 'alarms', 'lost-writes')
end
return {NOW, writes, lost and 1 or 0}
