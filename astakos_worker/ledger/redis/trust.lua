-- Go on with a lane of which acknowledged writes are gone. Returns {now, writes, trusted}.

check{doubted = 'set', continues = 'set', alarms = 'hash'}
local writes, known = counter('writes'), counter('distrust')
if redis.call('EXISTS', P .. 'distrust') == 0 then return {NOW, writes, 0} end
-- Far above all that any process knows, so that nobody notices the same loss again.
writes = math.max(writes, known) + 1000000000
redis.call('SET', P .. 'writes', string.format('%d', writes))
redis.call('DEL', P .. 'distrust')
redis.call('SUNIONSTORE', P .. 'continues', P .. 'continues', P .. 'doubted')
redis.call('DEL', P .. 'doubted')
redis.call('HDEL', P .. 'alarms', 'lost-writes')
return {NOW, writes, 1}
