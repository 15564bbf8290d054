-- Write a decision into a record's cell, if the cell is empty.
-- Returns {now, wakeup, why, writes, version, body, fence, cell, mark}; without a version there is no
-- such record. why: 0, or 1 for a record that this version cannot read, or 2 for a record of another
-- incarnation. With 1 and 2 nothing is decided.

local key, cell, wakeup_id, wanted = ARGV[1], ARGV[2], ARGV[3], policy(4)
local schema, known, incarnation, known_id = number(ARGV[8], 'schema'), ARGV[9], ARGV[10], ARGV[11]
if not string.match(cell, '"(%a+)"') then fail('a decision has no verb') end
check(WAKEUPS)

local is = read(key)
if not is then return {NOW, 0, 0, 0, false, false, false, false, false} end
if is.fault or is.schema > schema then
  return {NOW, 0, 1, 0, false, false, false, false, false}
end
if incarnation ~= '' and incarnation_of(is.body) ~= incarnation then  -- the key was used again
  return {NOW, 0, 2, 0, is.ver, is.body, is.fence or false, is.cell or false, is.mark or false}
end

local wanted_now, writes = 0, 0
if is.open == '1' and not is.cell then
  notice(known, known_id)
  redis.call('HSET', P .. 'r:' .. key, 'cell', cell)
  is.cell = cell
  writes = redis.call('INCR', P .. 'writes')
  -- A record in a queue is worked on anyway.
  if not redis.call('ZSCORE', SETTLE, key) and not redis.call('ZSCORE', ISSUE, key) then
    redis.call('ZADD', SETTLE, NOW, key)
  end
  if tonumber(is.watched or 0) > NOW then
    publish(key, is.ver, is.body, is.fence or '0', cell, is.mark or false)
  end
end
if is.open == '1' then wanted_now = wakeup(wakeup_id, wanted) end
return {NOW, wanted_now, 0, writes, is.ver, is.body, is.fence or false, is.cell or false, is.mark or false}
