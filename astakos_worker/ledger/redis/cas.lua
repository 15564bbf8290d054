-- Replace records of a lane if their versions are still those that were read, and move their index
-- entries: one after the other, as if each were a script of its own.
-- ARGV: writes seen, memory is short, carriers, per carrier, promise, coalesce; 17 more for each.
-- Returns {now, writes, {done, ring, clash, version, body, fence, cell, mark}...}: the record as it
-- is now, without the body where it is the one given. 'full' for done: refused, memory is short.

local seen, short = ARGV[1], ARGV[2] == '1'
local HEAD, WIDTH = 6, 17

local before = tonumber(redis.call('GET', P .. 'writes') or 0)
local written, created = 0, false

local function wanted(wakeup_id)
  if wakeup_id == '' then return 0 end
  return wakeup(wakeup_id, ARGV[3], ARGV[4], ARGV[5], ARGV[6])
end

-- Who else had one of the serials before this write; and those whose index is to be this key.
local function look_up(key, serials)
  local clash, its = false, {}
  for serial in string.gmatch(serials, '%d+') do
    local index = P .. 's:' .. serial
    local other = redis.call('GET', index)
    if other and other ~= key then clash = other end
    -- A bare serial gives way to the commission whose it is.
    if not other or other == key or string.byte(other) == 31 then its[index] = other == key end
  end
  return clash, its
end

-- The serials of an old life are not the new one's.
local function forget(key, body)
  redis.call('ZREM', HELD, key)
  local old = cjson.decode(body)
  local its = {old.serial}
  for _, twin in ipairs(old.twins or {}) do its[#its + 1] = twin[1] end
  for _, serial in ipairs(its) do
    local index = P .. 's:' .. string.format('%d', serial)
    if redis.call('GET', index) == key then redis.call('DEL', index) end
  end
end

-- This very write has been done, and its answer was lost: so it is answered again.
local function again(key, serials, wakeup_id, was)
  if wakeup_id ~= '' then redis.call('ZREM', PROMISED, wakeup_id) end
  local clash = look_up(key, serials)
  return {1, wanted(wakeup_id), clash, was[1], was[2], was[3] or '0', was[4], was[9]}
end

local function write(at)
  local key, expected, body = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local flags = ARGV[at + 3]                        -- (s)ettles, (f)enced, (r)eset, (d)ead
  local due_at = ARGV[at + 4]                       -- '' : not due
  local serials = ARGV[at + 5]                      -- its own (or '') first, then its twins
  local deadline, ttl = ARGV[at + 6], ARGV[at + 7]  -- deadline '': closed, and expires
  local fence, keep = ARGV[at + 8], ARGV[at + 9]
  local cell, verb = ARGV[at + 10], ARGV[at + 11]   -- verb: the decision it knows
  local wakeup_id = ARGV[at + 12]
  local holder = ARGV[at + 13]                      -- whose rows Astakos locks; '' : as before
  local announces = ARGV[at + 14]                   -- what who claims it is about to send, if any
  local incarnation = ARGV[at + 15]                 -- of the record that is made; '': it is not new
  local replaces = ARGV[at + 16]                    -- the one that a reset is for; '': any
  local fenced, reset = string.find(flags, 'f'), string.find(flags, 'r')

  local R = record(key)
  local was =
    redis.call('HMGET', R, 'ver', 'body', 'fence', 'cell', 'lease', 'watched', 'open', 'dead', 'mark')
  was[3] = was[3] or '0'

  -- The call that made this record, repeated: a worker may have changed the record since.
  local its = incarnation ~= '' and was[2] and incarnation_of(was[2])
  if its and its == incarnation then return again(key, serials, wakeup_id, was) end

  local may = not fenced or was[3] == fence
  if its and replaces ~= '' and replaces ~= its then may = false end
  -- A decision goes through the cell: a writer that did not look there has to judge again.
  local cell_verb = was[4] and not reset and string.match(was[4], '"(%a+)"')
  local agrees = verb == '' or not cell_verb or cell_verb == verb
  if (was[1] or '0') ~= expected or not may or not agrees then
    -- A write clears the mark: where there is one, the version is a claim's and not this write's.
    local marked = was[9] and was[9] ~= ''
    if not may or marked or was[1] ~= tostring(expected + 1) or was[2] ~= body then
      return {0, 0, false, was[1], was[2], was[3], was[4], was[9]}
    end
    return again(key, serials, wakeup_id, was)
  end
  if short then return {'full', 0, false, false, false, false, false, false} end

  local version = tonumber(expected) + 1
  local fields = {'ver', version, 'body', body, 'announces', announces}
  local function set(name, value)
    fields[#fields + 1], fields[#fields + 2] = name, value
  end
  if reset and was[1] then  -- a new life: who held or decided the old one has no say in it
    was[3] = tostring(was[3] + 1)
    was[4], was[5] = false, false
    set('fence', was[3])
  end
  if cell ~= '' and not was[4] then
    set('cell', cell)
    was[4] = cell
  end
  local open = deadline ~= ''
  local opened = open and was[7] ~= '1'
  if open ~= (was[7] == '1') then set('open', open and 1 or 0) end
  if holder ~= '' then set('holder', holder) end
  if was[9] and was[9] ~= '' then set('mark', '') end  -- this write has it in its body
  local dead = string.find(flags, 'd')
  if dead or was[8] == '1' then set('dead', dead and 1 or 0) end

  -- A live lease is its holder's alone: what another writes changes neither it nor the due time.
  local holds = fence ~= '' and was[3] == fence
  local moves = holds or tonumber(was[5] or 0) <= NOW
  if moves then
    local lease = 0
    if keep ~= '' and open and (holds or version == 1) then
      lease = NOW + keep
      due_at = lease
    elseif due_at == '' and open and was[4] and verb == '' then
      due_at = NOW  -- decided under the lease, and the writer has not seen it
    elseif due_at ~= '' and tonumber(due_at) <= NOW + 10 then
      due_at = math.min(NOW, tonumber(due_at))  -- the writer's clock estimates ours: it meant now
    end
    set('lease', lease)
  end
  -- The first write: it is what a server without memory refuses, and then there is none of this one.
  local set_to = redis.pcall('HSET', R, unpack(fields))
  if type(set_to) == 'table' then
    if not string.find(set_to.err, 'OOM') then error(set_to.err) end
    return {'full', 0, false, false, false, false, false, false}
  end
  if reset and was[1] then
    if cell == '' then redis.call('HDEL', R, 'cell') end
    forget(key, was[2])
  end
  if moves then
    local mine, other = ISSUE, SETTLE
    if string.find(flags, 's') then mine, other = SETTLE, ISSUE end
    redis.call('ZREM', other, key)
    if due_at == '' then redis.call('ZREM', mine, key) else redis.call('ZADD', mine, due_at, key) end
  end

  local clash, its = look_up(key, serials)
  for index, known in pairs(its) do
    if not open then
      redis.call('SET', index, key, 'PX', ttl)
    elseif opened or not known then
      redis.call('SET', index, key)
    end
  end

  local held = string.match(serials, '^%d+')
  if open then
    if opened and was[1] then redis.call('PERSIST', R) end
    redis.call('ZADD', OPEN, deadline, key)
    if held then redis.call('ZADD', HELD, held, key) end
  else
    redis.call('PEXPIRE', R, ttl)
    redis.call('ZREM', OPEN, key)
    if held then redis.call('ZREM', HELD, key) end
  end
  if dead then
    redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', NOW)
    redis.call('ZADD', DEAD, open and '+inf' or NOW + ttl, key)
  elseif was[8] == '1' then
    redis.call('ZREM', DEAD, key)
  end

  written, created = written + 1, created or version == 1
  if tonumber(was[6] or 0) > NOW then publish(key, version, body, was[3], was[4], false) end
  return {1, wanted(wakeup_id), clash, version, false, was[3], was[4], false}
end

local out = {NOW, before}
for at = HEAD + 1, #ARGV, WIDTH do out[#out + 1] = write(at) end
if created then
  local all, lane = string.match(P, '^(.*:)([^:]+):$')
  redis.call('SADD', all .. 'lanes', lane)
end
if written > 0 then
  notice(seen, before)
  out[2] = redis.call('INCRBY', P .. 'writes', written)
end
return out
