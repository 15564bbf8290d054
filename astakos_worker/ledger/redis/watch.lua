-- Have changes of a record published for a while. Returns {version, body, fence, cell, mark}.

local R = record(ARGV[1])
local is = redis.call('HMGET', R, 'ver', 'body', 'fence', 'cell', 'mark', 'watched')
local till = tonumber(table.remove(is) or 0)
-- Whoever waits looks often; a look that writes nothing does not wait for the disk.
if is[1] and till < NOW + ARGV[2] / 2 then redis.call('HSET', R, 'watched', NOW + ARGV[2]) end
return is
