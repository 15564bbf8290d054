-- Replace a record if its version is still the one that was read, and move its index entries.
-- Returns {done, now, ring, clash, writes, version, body, fence, cell}: the record as it is now.

local key, expected, body = ARGV[1], ARGV[2], ARGV[3]
local queue, due_at = ARGV[4], ARGV[5]           -- '' : not due
local serials = ARGV[6]                          -- its own (or '') first, then its twins
local deadline, ttl = ARGV[7], ARGV[8]           -- deadline '': closed, and expires
local fence, must_hold, keep = ARGV[9], ARGV[10] == '1', ARGV[11]
local cell, reset, verb = ARGV[12], ARGV[13] == '1', ARGV[14]  -- verb: the decision it knows
local ring_id = ARGV[15]
local dead, seen, full = ARGV[20] == '1', ARGV[21], ARGV[22] == '1'
local holder = ARGV[23]                          -- whose rows Astakos locks; '' : as before

local R = record(key)
local was = redis.call('HMGET', R, 'ver', 'body', 'fence', 'cell', 'lease', 'watched')
was[3] = was[3] or '0'

-- Who had one of the serials before this write.
local function clashing()
  local clash = false
  for serial in string.gmatch(serials, '%d+') do
    local other = redis.call('GET', P .. 's:' .. serial)
    if other and other ~= key then clash = other end
  end
  return clash
end

local may = not must_hold or was[3] == fence
-- A decision goes through the cell: a writer that did not look there has to judge again.
local cell_verb = was[4] and not reset and string.match(was[4], '"(%a+)"')
local agrees = verb == '' or not cell_verb or cell_verb == verb
if (was[1] or '0') ~= expected or not may or not agrees then
  if not may or was[1] ~= tostring(expected + 1) or was[2] ~= body then
    return {0, NOW, 0, false, 0, was[1], was[2], was[3], was[4]}
  end
  -- This very write has been done, and what was answered is lost: so it is answered again.
  local rings = 0
  if ring_id ~= '' then
    redis.call('ZREM', PROMISED, ring_id)
    rings = ring(ring_id, ARGV[16], ARGV[17], ARGV[18], ARGV[19])
  end
  return {1, NOW, rings, clashing(), 0, was[1], was[2], was[3], was[4]}
end

if full then return redis.error_reply('OOM nearly all of maxmemory is used') end

if reset and was[1] then
  -- A new life: who held or decided the old one has no say in it, and its serials are not its.
  was[3] = tostring(redis.call('HINCRBY', R, 'fence', 1))
  redis.call('HDEL', R, 'cell')
  was[4], was[5] = false, false
  local old = cjson.decode(was[2])
  local its = {old.serial}
  for _, twin in ipairs(old.twins or {}) do its[#its + 1] = twin[1] end
  for _, serial in ipairs(its) do
    local index = P .. 's:' .. string.format('%d', serial)
    if redis.call('GET', index) == key then redis.call('DEL', index) end
  end
end
if cell ~= '' and not was[4] then
  redis.call('HSET', R, 'cell', cell)
  was[4] = cell
end
if holder ~= '' then redis.call('HSET', R, 'holder', holder) end
local open = deadline ~= ''
local version = tonumber(expected) + 1
redis.call('HSET', R, 'ver', version, 'body', body, 'open', open and 1 or 0)
if version == 1 then
  local all, lane = string.match(P, '^(.*:)([^:]+):$')
  redis.call('SADD', all .. 'lanes', lane)
end

-- A live lease is its holder's alone: what another writes changes neither it nor the due time.
local holds = fence ~= '' and was[3] == fence
if holds or tonumber(was[5] or 0) <= NOW then
  local lease = 0
  if keep ~= '' and open and (holds or version == 1) then
    lease = NOW + keep
    due_at = lease
  elseif due_at == '' and open and was[4] and verb == '' then
    due_at = NOW  -- decided under the lease, and the writer has not seen it
  elseif due_at ~= '' and tonumber(due_at) <= NOW + 10 then
    due_at = math.min(NOW, tonumber(due_at))  -- the writer's clock estimates ours: it meant now
  end
  redis.call('HSET', R, 'lease', lease)
  redis.call('ZREM', queue == 'issue' and SETTLE or ISSUE, key)
  if due_at == '' then
    redis.call('ZREM', queue == 'issue' and ISSUE or SETTLE, key)
  else
    redis.call('ZADD', queue == 'issue' and ISSUE or SETTLE, due_at, key)
  end
end

local clash = clashing()
for serial in string.gmatch(serials, '%d+') do
  local index = P .. 's:' .. serial
  local other = redis.call('GET', index)
  -- A bare serial gives way to the commission whose it is.
  if not other or other == key or string.byte(other) == 31 then
    if open then redis.call('SET', index, key) else redis.call('SET', index, key, 'PX', ttl) end
  end
end

if open then
  redis.call('PERSIST', R)
  redis.call('ZADD', OPEN, deadline, key)
else
  redis.call('PEXPIRE', R, ttl)
  redis.call('ZREM', OPEN, key)
end
local held = string.match(serials, '^%d+')
if open and held then redis.call('ZADD', HELD, held, key) else redis.call('ZREM', HELD, key) end

if dead then
  redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', NOW)
  redis.call('ZADD', DEAD, open and '+inf' or NOW + ttl, key)
else
  redis.call('ZREM', DEAD, key)
end

local writes = redis.call('INCR', P .. 'writes')
notice(seen, writes - 1)
if tonumber(was[6] or 0) > NOW then tell(key, version, body, was[3], was[4]) end

local rings = 0
if ring_id ~= '' then rings = ring(ring_id, ARGV[16], ARGV[17], ARGV[18], ARGV[19]) end
return {1, NOW, rings, clash, writes, version, body, was[3], was[4]}
