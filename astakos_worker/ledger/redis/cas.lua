-- Replace records of a lane if their versions are still those that were read, and their index entries
-- with them: one after the other, as if each were a script of its own.
-- ARGV: known writes, memory is short (1 or 0), then the wake-up policy (4); 17 more for each write.
-- Last: the known id. Returns {now, writes, {done, wakeup, clash, version, body, fence, cell, mark}
-- ...}: each record as it is now; without a body if the body is the one that was given. done is 'full'
-- if memory is short.

local HEAD, WIDTH = 6, 17
local known_id = table.remove(ARGV)

-- --- Read and check ----------------------------------------------------------------------------

if (#ARGV - HEAD) % WIDTH ~= 0 then fail('an argument of a write is missing') end
local short, wanted = ARGV[2] == '1', policy(3)
check(WAKEUPS)
check{open = 'zset', held = 'zset', dead = 'zset'}
local lanes = redis.call('TYPE', N .. 'lanes').ok
if lanes ~= 'set' and lanes ~= 'none' then fail(N .. 'lanes is a ' .. lanes .. ', not a set') end

-- Records by key, and keys by serial, as they are now: what is written changes them too.
local rows, owners = {}, {}

local function row_of(key)
  if rows[key] == nil then rows[key] = read(key) or false end
  return rows[key]
end

local function owner_of(serial)
  if owners[serial] == nil then owners[serial] = redis.call('GET', P .. 's:' .. serial) end
  return owners[serial]
end

local function number_or_none(text, what)
  return text ~= '' and number(text, what) or nil
end

-- The serials of a record whose hash does not list them: it was written by an earlier version.
local function serials_in(body)
  -- cjson refuses half a surrogate pair, which the text of an error may hold.
  local text = string.gsub(body, '\\u[dD][89a-fA-F]%x%x', '\\u0020')
  local readable, record = pcall(cjson.decode, text)
  local serials = {}
  if readable and type(record) == 'table' then
    if type(record.serial) == 'number' then serials[1] = string.format('%d', record.serial) end
    for _, twin in ipairs(type(record.twins) == 'table' and record.twins or {}) do
      if type(twin) == 'table' and type(twin[1]) == 'number' then
        serials[#serials + 1] = string.format('%d', twin[1])
      end
    end
  end
  return table.concat(serials, ',')
end

local function checked(at)
  local flags, cell = ARGV[at + 3], ARGV[at + 10]
  local w = {
    key = ARGV[at],
    expected = ARGV[at + 1],
    version = number(ARGV[at + 1], 'version') + 1,
    body = ARGV[at + 2],
    settles = string.find(flags, 's'),  -- which queue it waits in
    fenced = string.find(flags, 'f'),
    reset = string.find(flags, 'r'),
    dead = string.find(flags, 'd'),
    due_at = number_or_none(ARGV[at + 4], 'due time'),
    serials = ARGV[at + 5],             -- its own, or nothing, and then its twins'
    open = ARGV[at + 6] ~= '',
    deadline = ARGV[at + 6],            -- 'inf': none
    retention = number(ARGV[at + 7], 'retention'),
    fence = ARGV[at + 8],               -- '': the writer has not claimed it
    lease = number_or_none(ARGV[at + 9], 'lease'),
    cell = cell ~= '' and cell or nil,
    verb = ARGV[at + 11],               -- of the decision in the record; '': it has none
    wakeup_id = ARGV[at + 12],          -- '': no wake-up is asked for
    holder = ARGV[at + 13],             -- '': as before
    announces = ARGV[at + 14],
    incarnation = ARGV[at + 15],        -- '': it makes no commission
    replaces = ARGV[at + 16],           -- '': any
  }
  if not string.match(w.body, '^{"schema":%d+[,}]') then fail('a record has no schema') end
  if not string.match(w.serials, '^[%d,]*$') then fail('a serial is no number') end
  if w.open and w.deadline ~= 'inf' then number(w.deadline, 'deadline') end
  if w.cell and not string.match(w.cell, '"(%a+)"') then fail('a decision has no verb') end
  local was = row_of(w.key)
  for serial in string.gmatch(w.serials, '%d+') do owner_of(serial) end
  if was and w.reset and not was.fault then
    was.serials = was.serials or serials_in(was.body)
    for serial in string.gmatch(was.serials, '%d+') do owner_of(serial) end
  end
  return w
end

local writes = {}
for at = HEAD + 1, #ARGV, WIDTH do writes[#writes + 1] = checked(at) end
local before = notice(ARGV[1], known_id)

-- --- Write -------------------------------------------------------------------------------------

local written, created = 0, false

local function wakeup_wanted(w)
  return w.wakeup_id == '' and 0 or wakeup(w.wakeup_id, wanted)
end

-- The key of another record that has one of the serials; and the serials that are to name this key.
local function look_up(w)
  local clash, its = false, {}
  for serial in string.gmatch(w.serials, '%d+') do
    local owner = owner_of(serial)
    if owner and owner ~= w.key then clash = owner end
    -- A bare serial's record gives way to the commission that the serial belongs to.
    if not owner or owner == w.key or string.byte(owner) == 31 then its[#its + 1] = serial end
  end
  return clash, its
end

-- Why a write is not done; nil if it may be done.
local function refused(w, was)
  if (was and was.ver or '0') ~= w.expected then return 'version' end
  if not was then return w.fenced and w.fence ~= '0' and 'fence' or nil end
  if w.fenced and (was.fence or '0') ~= w.fence then return 'fence' end
  if w.reset then
    if w.replaces ~= '' and w.replaces ~= incarnation_of(was.body) then return 'another' end
  elseif w.verb ~= '' and was.verb and was.verb ~= w.verb then
    return 'decision'  -- another decision was first: the writer has to look again
  end
end

-- Whether this write was done before, and its answer was lost.
local function repeated(w, was)
  if not was then return false end
  -- The call that made this record: a worker may have changed the record since (F81).
  if w.incarnation ~= '' and incarnation_of(was.body) == w.incarnation then return true end
  -- A write clears the mark: where there is one, the version is a claim's and not this write's.
  local same = was.ver == tostring(w.version) and was.body == w.body and not was.mark
  return same and not (w.fenced and (was.fence or '0') ~= w.fence)
end

local function as_it_is(done, wanted_now, clash, was)
  if not was then return {done, wanted_now, clash, false, false, '0', false, false} end
  local cell, mark = was.cell or false, was.mark or false
  return {done, wanted_now, clash, was.ver, was.body, was.fence or '0', cell, mark}
end

-- The lease and the due time that a record gets; nil while another carrier holds it.
local function lease_and_due(w, was, fence, cell)
  local holds = w.fence ~= '' and fence == w.fence
  -- A live lease belongs to its holder: another process' write changes neither of the two.
  if not holds and was and not w.reset and tonumber(was.lease or 0) > NOW then return nil end
  if w.lease and w.open and (holds or w.version == 1) then
    return NOW + w.lease, NOW + w.lease
  end
  local due_at = w.due_at
  if not due_at and w.open and cell and w.verb == '' then
    due_at = NOW  -- decided under the lease, and the writer has not seen it
  elseif due_at and due_at <= NOW + 10 then
    due_at = math.min(NOW, due_at)  -- the writer meant now, by its estimate of our time
  end
  return 0, due_at
end

-- The serials of an earlier use of the key are not the new commission's.
local function forget(w, was)
  redis.call('ZREM', HELD, w.key)
  for serial in string.gmatch(was.serials or '', '%d+') do
    if owner_of(serial) == w.key then
      redis.call('DEL', P .. 's:' .. serial)
      owners[serial] = false
    end
  end
end

local function index(w, its, opened)
  for _, serial in ipairs(its) do
    if not w.open then
      redis.call('SET', P .. 's:' .. serial, w.key, 'PX', w.retention)
    elseif opened or owner_of(serial) ~= w.key then
      redis.call('SET', P .. 's:' .. serial, w.key)
    end
    owners[serial] = w.key
  end
end

local function enter(w, was, opened)
  local R, held = P .. 'r:' .. w.key, string.match(w.serials, '^%d+')
  if w.open then
    if opened and was then redis.call('PERSIST', R) end
    redis.call('ZADD', OPEN, w.deadline, w.key)
    if held then redis.call('ZADD', HELD, held, w.key) end
  else
    redis.call('PEXPIRE', R, w.retention)
    redis.call('ZREM', OPEN, w.key)
    if held then redis.call('ZREM', HELD, w.key) end
  end
  if w.dead then
    redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', NOW)
    redis.call('ZADD', DEAD, w.open and '+inf' or NOW + w.retention, w.key)
  elseif was and was.dead == '1' then
    redis.call('ZREM', DEAD, w.key)
  end
end

local function write(w)
  local was = row_of(w.key)
  if was and was.fault then return as_it_is(0, 0, false, {ver = '0', body = ''}) end
  local clash, its = look_up(w)
  if repeated(w, was) then
    -- The wake-up that the first answer promised was never sent: it must not count.
    if w.wakeup_id ~= '' then redis.call('ZREM', PROMISED, w.wakeup_id) end
    return as_it_is(1, wakeup_wanted(w), clash, was)
  end
  if refused(w, was) then return as_it_is(0, 0, false, was) end
  if short then return as_it_is('full', 0, false, nil) end

  local fields = {'ver', w.version, 'body', w.body, 'announces', w.announces}
  local function set(name, value)
    fields[#fields + 1], fields[#fields + 2] = name, value
  end
  local fence, cell = was and was.fence or '0', was and was.cell
  if w.reset and was then  -- claims and decisions of the earlier commission do not count for this one
    fence, cell = string.format('%d', fence + 1), nil
    set('fence', fence)
  end
  if w.cell and not cell then
    cell = w.cell
    set('cell', cell)
  end
  local was_open = was and was.open == '1' or false
  local opened = w.open and not was_open
  if w.open ~= was_open then set('open', w.open and 1 or 0) end
  if w.holder ~= '' then set('holder', w.holder) end
  if w.serials ~= (was and was.serials or '') then set('serials', w.serials) end
  if was and was.mark then set('mark', '') end  -- the new body has the mark in it
  if w.dead or was and was.dead == '1' then set('dead', w.dead and 1 or 0) end
  local lease, due_at = lease_and_due(w, was, fence, cell)
  if lease then set('lease', lease) end

  -- The first write. A server without memory refuses this one, and then none of the others is done.
  -- After it the server lets the script write on.
  local made = redis.pcall('HSET', P .. 'r:' .. w.key, unpack(fields))
  if type(made) == 'table' then
    if not string.find(made.err, 'OOM') then error(made.err) end
    return as_it_is('full', 0, false, nil)
  end
  if w.reset and was then
    if not cell then redis.call('HDEL', P .. 'r:' .. w.key, 'cell') end
    forget(w, was)
  end
  if lease then
    local mine, other = w.settles and SETTLE or ISSUE, w.settles and ISSUE or SETTLE
    redis.call('ZREM', other, w.key)
    if due_at then redis.call('ZADD', mine, due_at, w.key) else redis.call('ZREM', mine, w.key) end
  end
  index(w, its, opened)
  enter(w, was, opened)
  rows[w.key] = nil  -- read again if another write of this call is for the same key

  written, created = written + 1, created or w.version == 1
  if was and tonumber(was.watched or 0) > NOW then
    publish(w.key, w.version, w.body, fence, cell or false, false)
  end
  return {1, wakeup_wanted(w), clash, w.version, false, fence, cell or false, false}
end

local out = {NOW, before}
for _, each in ipairs(writes) do out[#out + 1] = write(each) end
if created then redis.call('SADD', N .. 'lanes', string.match(P, '([^:]+):$')) end
if written > 0 then out[2] = redis.call('INCRBY', P .. 'writes', written) end
return out
