-- Return what is remembered of serials that no record has; remember new ones from now on.
-- ARGV: serials. Returns {now, when each was first seen, the text that is remembered about each}.

check{seen = 'hash', looks = 'hash'}
if #ARGV == 0 then return {NOW, {}, {}} end
local firsts = redis.call('HMGET', P .. 'seen', unpack(ARGV))
local descriptions = redis.call('HMGET', P .. 'looks', unpack(ARGV))
for i, serial in ipairs(ARGV) do
  if not firsts[i] then
    firsts[i] = string.format('%.3f', NOW / 1000)
    redis.call('HSET', P .. 'seen', serial, firsts[i])
  end
end
return {NOW, firsts, descriptions}
