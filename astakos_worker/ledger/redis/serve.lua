-- Remember what a worker serves. ARGV: milliseconds for which it counts, and then each row, as
-- "<namespace>/<service>/<queue>". Rows whose time is over are removed. Returns {now}.
--
-- The key is one for all namespaces: so a service in a misspelt namespace learns the right one.

local name, milliseconds = 'astakos:served', number(ARGV[1], 'a time')
local kind = redis.call('TYPE', name).ok
if kind ~= 'zset' and kind ~= 'none' then fail(name .. ' is a ' .. kind .. ', not a zset') end
redis.call('ZREMRANGEBYSCORE', name, '-inf', NOW)
for i = 2, #ARGV do redis.call('ZADD', name, NOW + milliseconds, ARGV[i]) end
return {NOW}
