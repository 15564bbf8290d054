-- Notice whether acknowledged writes of a lane are gone. Returns {now, writes, lost}.

local writes = notice(ARGV[1], tonumber(redis.call('GET', P .. 'writes') or 0))
return {NOW, writes, redis.call('EXISTS', P .. 'distrust')}
