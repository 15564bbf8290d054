-- Have changes of a record published for a while. Returns {version, body, fence, cell}.

local R = record(ARGV[1])
local is = redis.call('HMGET', R, 'ver', 'body', 'fence', 'cell')
if is[1] then redis.call('HSET', R, 'watched', NOW + ARGV[2]) end
return is
