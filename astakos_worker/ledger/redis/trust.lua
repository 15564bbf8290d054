-- Go on with a lane that was distrusted. Returns {now, writes, trusted}; trusted is 0 if it was not.

check{doubted = 'set', continues = 'set', alarms = 'hash'}
local writes, known = counter('writes'), counter('distrust')
if redis.call('EXISTS', P .. 'distrust') == 0 then return {NOW, writes, 0} end
-- Far above every count that a process knows, so that no process notices the same loss again.
writes = math.max(writes, known) + 1000000000
redis.call('SET', P .. 'writes', string.format('%d', writes))
redis.call('DEL', P .. 'distrust')
redis.call('SUNIONSTORE', P .. 'continues', P .. 'continues', P .. 'doubted')
redis.call('DEL', P .. 'doubted')
redis.call('HDEL', P .. 'alarms', 'lost-writes')
return {NOW, writes, 1}
