-- Remember texts under names. ARGV: which hash of the lane (alarms, notes or looks), then name and
-- text of each. Returns {now}.

local hash = ARGV[1]
if not ({alarms = 1, notes = 1, looks = 1})[hash] then fail('there is no such hash') end
if #ARGV % 2 == 0 then fail('a text is missing') end
check{[hash] = 'hash'}
local lanes = redis.call('TYPE', N .. 'lanes').ok
if lanes ~= 'set' and lanes ~= 'none' then fail(N .. 'lanes is a ' .. lanes .. ', not a set') end
for i = 2, #ARGV, 2 do redis.call('HSET', P .. hash, ARGV[i], ARGV[i + 1]) end
if hash ~= 'looks' then redis.call('SADD', N .. 'lanes', string.match(P, '([^:]+):$')) end
return {NOW}
