-- Check whether acknowledged writes of a lane are gone. ARGV: known writes, known id.
-- Returns {now, writes, distrusted, id}.

local writes = notice(ARGV[1], ARGV[2])
local id = redis.call('GET', N .. 'id')
return {NOW, writes, redis.call('EXISTS', P .. 'distrust'), id}
