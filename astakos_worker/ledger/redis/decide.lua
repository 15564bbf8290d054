-- Set the write-once cell of a record. Python judges what that means.
-- Returns {now, ring, why, writes, version, body, fence, cell, mark}; no version: there is no such
-- record. why is 1 for one that is left for a newer worker, 2 for one of another incarnation.

local key, cell, wakeup_id, schema, seen = ARGV[1], ARGV[2], ARGV[3], ARGV[8], ARGV[9]
local incarnation = ARGV[10]  -- the commission that the decision is for; '': whichever it is

local R = record(key)
local is = redis.call('HMGET', R, 'ver', 'body', 'fence', 'cell', 'open', 'watched', 'mark')
if not is[1] then return {NOW, 0, 0, 0, false, false, false, false, false} end
if newer(is[2], schema) then return {NOW, 0, 1, 0, false, false, false, false, false} end

if incarnation ~= '' and incarnation_of(is[2]) ~= incarnation then  -- the key was used again
  return {NOW, 0, 2, 0, is[1], is[2], is[3], is[4], is[7]}
end

local rings, writes = 0, 0
if is[5] == '1' and not is[4] then
  redis.call('HSET', R, 'cell', cell)
  is[4] = cell
  writes = redis.call('INCR', P .. 'writes')
  notice(seen, writes - 1)
  -- What is due or leased already will be looked at by who looks at it anyway.
  if not redis.call('ZSCORE', SETTLE, key) and not redis.call('ZSCORE', ISSUE, key) then
    redis.call('ZADD', SETTLE, NOW, key)
  end
  if tonumber(is[6] or 0) > NOW then publish(key, is[1], is[2], is[3], cell, is[7]) end
end
if is[5] == '1' then rings = wakeup(wakeup_id, ARGV[4], ARGV[5], ARGV[6], ARGV[7]) end
return {NOW, rings, 0, writes, is[1], is[2], is[3], is[4], is[7]}
