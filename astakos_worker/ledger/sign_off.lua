-- A carrier goes, with or without more being due. Returns {now, ring}.

redis.call('ZREM', AWAKE, ARGV[1])
if redis.call('GET', P .. 'settler') == ARGV[1] then redis.call('DEL', P .. 'settler') end
if redis.call('GET', P .. 'trial') == ARGV[1] then redis.call('DEL', P .. 'trial') end
return {NOW, ring_anyone(ARGV[2], ARGV[3], ARGV[4])}
