-- Set records aside that Python cannot read, or with 'again' make them due again (F86).
-- ARGV: 'aside', then key, version and reason of each; or 'again'. Returns {now, records}.

check(WAKEUPS)
check{unreadable = 'hash', alarms = 'hash'}
local records = 0
if ARGV[1] == 'again' then
  for _, key in ipairs(redis.call('HKEYS', P .. 'unreadable')) do
    redis.call('ZADD', ISSUE, NOW, key)  -- a claim sets it aside again if it is still unreadable
    records = records + 1
  end
  redis.call('DEL', P .. 'unreadable')
  redis.call('HDEL', P .. 'alarms', 'unreadable')
  return {NOW, records}
end
for i = 2, #ARGV - 2, 3 do
  local version = redis.pcall('HGET', P .. 'r:' .. ARGV[i], 'ver')
  if version == ARGV[i + 1] then  -- it was not written since
    set_aside(ARGV[i], ARGV[i + 2])
    records = records + 1
  end
end
return {NOW, records}
