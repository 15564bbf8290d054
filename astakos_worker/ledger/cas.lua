-- Replace a record if its version is still the one that was read, and move its index entries.
-- Returns {done, now, ring, clash, version, body, fence, cell}: the record as it is now.

local key, expected, body = ARGV[1], ARGV[2], ARGV[3]
local queue, due_at = ARGV[4], ARGV[5]           -- '' : not due
local serials, deadline, ttl = ARGV[6], ARGV[7], ARGV[8]  -- deadline '': closed, and expires
local fence, must_hold, keep = ARGV[9], ARGV[10] == '1', ARGV[11]
local cell, reset, knows = ARGV[12], ARGV[13] == '1', ARGV[14] == '1'
local ring_id = ARGV[15]

local R = record(key)
local was = redis.call('HMGET', R, 'ver', 'body', 'fence', 'cell', 'lease', 'watched')
if (was[1] or '0') ~= expected or (must_hold and was[3] ~= fence) then
  return {0, NOW, 0, false, was[1], was[2], was[3], was[4]}
end

if reset then
  redis.call('HDEL', R, 'cell')
  was[4] = false
end
if cell ~= '' and not was[4] then
  redis.call('HSET', R, 'cell', cell)
  was[4] = cell
end
local open = deadline ~= ''
local version = tonumber(expected) + 1
redis.call('HSET', R, 'ver', version, 'body', body, 'open', open and 1 or 0)

-- A live lease is its holder's alone: what another writes changes neither it nor the due time.
local holds = fence ~= '' and was[3] == fence
if holds or tonumber(was[5] or 0) <= NOW then
  local lease = 0
  if keep ~= '' then
    lease = NOW + keep
    due_at = lease
  elseif due_at == '' and open and was[4] and not knows then
    due_at = NOW  -- decided under the lease, and the writer has not seen it
  end
  redis.call('HSET', R, 'lease', lease)
  redis.call('ZREM', queue == 'issue' and SETTLE or ISSUE, key)
  if due_at == '' then
    redis.call('ZREM', queue == 'issue' and ISSUE or SETTLE, key)
  else
    redis.call('ZADD', queue == 'issue' and ISSUE or SETTLE, due_at, key)
  end
end

local clash = false
local held = false
for serial in string.gmatch(serials, '%d+') do
  local index = P .. 's:' .. serial
  local other = redis.call('GET', index)
  if other and other ~= key then clash = other end
  -- A bare serial gives way to the commission whose it is.
  if not other or other == key or string.byte(other) == 31 then
    if open then redis.call('SET', index, key) else redis.call('SET', index, key, 'PX', ttl) end
  end
  if not held then held = serial end
end

if open then
  redis.call('PERSIST', R)
  redis.call('ZADD', OPEN, deadline, key)
else
  redis.call('PEXPIRE', R, ttl)
  redis.call('ZREM', OPEN, key)
end
if open and held then redis.call('ZADD', HELD, held, key) else redis.call('ZREM', HELD, key) end

redis.call('INCR', P .. 'writes')
if tonumber(was[6] or 0) > NOW then redis.call('PUBLISH', P .. 'changed', key) end

local rings = 0
if ring_id ~= '' then rings = ring(ring_id, ARGV[16], ARGV[17], ARGV[18], ARGV[19]) end
return {1, NOW, rings, clash, version, false, was[3], was[4]}
