-- Shared by all scripts: this file stands in front of each of them when it is loaded.
--
-- A script reads and checks everything first, and writes afterwards: a script that fails has
-- written nothing. Times are milliseconds of the ledger's time (see NOW below).
--
-- Every key of the ledger. P is "astakos:<namespace>:<lane>:", N is "astakos:<namespace>:".
--
--   key             type     what it holds                                      written by
--   P r:<key>       hash     a record, see below                                cas, claim, decide, watch
--   P s:<serial>    string   the key of the record that has this serial         cas
--   P due:settle    zset     key -> when the record is due, or its lease ends   cas, claim, decide, set_aside
--   P due:issue     zset     the same, of records that are to be issued         cas, claim, set_aside
--   P open          zset     key of an open record -> its deadline, or +inf     cas
--   P held          zset     key of an open record -> its serial                cas
--   P dead          zset     key of a dead record -> when it is purged          cas
--   P awake         zset     carrier -> when it is forgotten                    claim, beat, sign_off
--   P promised      zset     wake-up -> when it no longer counts                wakeup() below
--   P settler:1, 2  string   the carriers that settle                           claim
--   P trial         string   the carrier that tries a lane which has rested     claim, rest
--   P lane          hash     until, level, reason: of the rest; failures        rest
--   P writes        string   how many writes the lane has had                   cas, claim, decide, trust
--   P distrust      string   how many writes were known when some were gone     notice() below, trust
--   P doubted       set      ids of the ledgers that were known then            notice() below, trust
--   P continues     set      ids of ledgers that this lane is trusted to continue   trust
--   P unreadable    hash     key -> why its record was set aside                set_aside() below
--   P alarms        hash     name -> text for operators                         remember, step, the above
--   P notes         hash     name -> text of the sweep's                        remember
--   P seen          hash     serial -> when it was first seen (seconds)         sightings
--   P looks         hash     serial -> a text of the sweep's about it           remember
--   P changed       channel  changes of watched records                         publish() below
--   N lanes         set      the lanes                                          cas, remember
--   N id            string   the ledger's own id, made once                     identify
--   N clock         string   "<epoch> <offset>": see NOW                        step
--   N agreed        string   the latest time that a process agreed to           agree
--   N lease:<name>  string   "<until> <holder>"                                 lease
--   astakos:served  zset     "<namespace>/<service>/<queue>" -> until when      serve
--   astakos:namespaces  set  the namespaces that have used this server          identify
--
-- The fields of a record's hash:
--
--   ver        version: counted up by each write, and by a claim that leaves a mark
--   body       the record as JSON; it begins with its schema. Only Python reads and writes it
--   fence      counted up by each claim
--   lease      until when the carrier of the last claim holds the record; 0: it was given back
--   cell       the decision as JSON, written once
--   mark       "<at> <send until> <quiet at> <times>": the claims since the body was written
--   announces  what a claim marks: issue, settle or nothing
--   holder     Astakos locks the rows of this holder: its records are claimed together
--   serials    its own serial (or nothing) and those of its twins, with commas between
--   open, dead 1 or 0
--   watched    until when its changes are published

local P, N = KEYS[1], KEYS[2]
local SETTLE, ISSUE = P .. 'due:settle', P .. 'due:issue'
local AWAKE, PROMISED = P .. 'awake', P .. 'promised'
local OPEN, HELD, DEAD, LANE = P .. 'open', P .. 'held', P .. 'dead', P .. 'lane'

local function fail(why)
  error('nothing was written: ' .. why, 0)
end

-- A text as a number; fails if the text is no number.
local function number(text, what)
  local n = tonumber(text)
  if not n or n ~= n then fail(what .. ' is no number') end
  return n
end

-- Fails unless each of these keys of the lane has its type, or is not there.
local function check(types)
  for name, kind in pairs(types) do
    local is = redis.call('TYPE', P .. name).ok
    if is ~= kind and is ~= 'none' then fail(P .. name .. ' is a ' .. is .. ', not a ' .. kind) end
  end
end

-- A counter that is written later: fails if it is no number.
local function counter(name)
  return number(redis.call('GET', P .. name) or '0', P .. name)
end

-- The ledger's time is the server's time plus an offset, because a server's clock may be set to
-- another time: then the offset takes the step back. Every call carries the bounds of the ledger's
-- time that its process knows by a monotonic clock, as its last three arguments: the least and the
-- most milliseconds, and the offset's epoch. While the server's time is outside the bounds, the least
-- counts. So a step has no effect from its first moment on, until `step` changes the offset.
-- For example: the server's clock is set back by 60 s. A call whose least is 12:00:00 runs at
-- 12:00:00, though the server says 11:59:00. Within a second some process makes the offset 60 s.
local EPOCH, MOST, LEAST = table.remove(ARGV), tonumber(table.remove(ARGV)), tonumber(table.remove(ARGV))
local epoch, offset = string.match(redis.call('GET', N .. 'clock') or '', '^(%d+) (-?%d+)$')
local clock = redis.call('TIME')
local SERVER = clock[1] * 1000 + math.floor(clock[2] / 1000) + (tonumber(offset) or 0)
local NOW = SERVER
if LEAST and EPOCH == (epoch or '0') then
  if SERVER < LEAST - 100 or SERVER > MOST + 1000 then NOW = LEAST end
end

local function due(queue)
  return redis.call('ZCOUNT', queue, '-inf', NOW)
end

-- --- Records -----------------------------------------------------------------------------------

local FIELDS = {
  'ver', 'body', 'fence', 'cell', 'lease', 'watched', 'open', 'dead', 'mark', 'announces', 'serials',
}

local function is_number(text)
  return not text or (tonumber(text) ~= nil and tonumber(text) == tonumber(text))
end

-- Why a record's hash is not one that our scripts have written; nil if it is.
local function fault_of(is)
  if not is.ver or not tonumber(is.ver) then return 'it has no version' end
  if not is.body or not is.schema then return 'it has no text that begins with its schema' end
  if not (is_number(is.fence) and is_number(is.lease) and is_number(is.watched)) then
    return 'a field of its hash is not a number'
  end
  if is.mark and not string.match(is.mark, '^%d+ %d+ %d+ %d+$') then return 'its mark is malformed' end
  if is.cell and not is.verb then return 'its decision is malformed' end
  if is.serials and not string.match(is.serials, '^[%d,]*$') then return 'its serials are malformed' end
end

-- A record's hash as a table; nil if there is none. `fault` says why it cannot be read.
local function read(key)
  local row = redis.pcall('HMGET', P .. 'r:' .. key, unpack(FIELDS))
  if row.err then return {fault = 'it is not a hash', ver = '0', body = ''} end
  if not row[1] and not row[2] then return nil end
  local is = {}
  for i, name in ipairs(FIELDS) do is[name] = row[i] or nil end
  if is.mark == '' then is.mark = nil end
  is.schema = is.body and tonumber(string.match(is.body, '^{"schema":(%d+)[,}]'))
  is.verb = is.cell and string.match(is.cell, '"(%a+)"')
  is.fault = fault_of(is)
  return is
end

-- The incarnation in a record's text: the first match. Only the key stands before it, and a quote in
-- a key has a backslash, so no key can look like an incarnation.
local function incarnation_of(body)
  return string.match(body, '"incarnation":"([^"]*)"')
end

-- Publish a watched record as it is now, so that callers that wait for it need not poll.
local function publish(...)
  redis.call('PUBLISH', P .. 'changed', cjson.encode({...}))
end

-- Take an unreadable record out of its queues, so that the other records go on (F86).
local function set_aside(key, why)
  redis.call('ZREM', SETTLE, key)
  redis.call('ZREM', ISSUE, key)
  redis.call('HSET', P .. 'unreadable', key, why)
  redis.call('HSET', P .. 'alarms', 'unreadable', redis.call('HLEN', P .. 'unreadable')
      .. ' records cannot be read and are set aside: see `astakos-worker ledger unreadable`')
end

-- --- Wake-ups ----------------------------------------------------------------------------------

-- The names of wake-ups for any due record; no caller's key begins like this.
local function anyone(i)
  return '\31any:' .. i
end

-- What `wakeup` and `wakeup_for_anyone` write or read.
local WAKEUPS = {
  ['due:settle'] = 'zset', ['due:issue'] = 'zset', awake = 'zset', promised = 'zset', lane = 'hash',
}

-- The wake-up policy: four arguments of the caller, from ARGV[at] on.
local function policy(at)
  return {
    carriers = number(ARGV[at], 'carriers'),
    per_carrier = number(ARGV[at + 1], 'records per carrier'),
    promise = number(ARGV[at + 2], 'promise'),
    coalesce = ARGV[at + 3] ~= '0',
  }
end

-- Whether a wake-up is wanted: 1 or 0. If it is, it counts as a carrier for a while.
local function wakeup(id, wanted)
  local awake = 0
  if wanted.coalesce then
    awake = redis.call('ZCOUNT', AWAKE, NOW, '+inf') + redis.call('ZCOUNT', PROMISED, NOW, '+inf')
    if awake >= wanted.carriers then return 0 end
  end
  local till = redis.call('HGET', LANE, 'until')
  if till and (tonumber(till) or 0) > NOW then return 0 end
  local decided, waiting = due(SETTLE), due(ISSUE)
  if decided + waiting == 0 then return 0 end
  if wanted.coalesce then
    -- One carrier settles, or two if many records are decided: a third would find none to settle.
    local settlers = decided > 4 * wanted.per_carrier and 2 or 1
    local backlog = waiting + math.min(decided, settlers * wanted.per_carrier)
    local carriers = math.min(wanted.carriers, math.ceil(backlog / wanted.per_carrier))
    if till then carriers = 1 end  -- one carrier tries a lane that has rested
    if awake >= carriers then return 0 end
  end
  -- Old promises are dropped here: without a worker no other script would drop them.
  redis.call('ZREMRANGEBYSCORE', PROMISED, '-inf', '(' .. NOW)
  redis.call('ZADD', PROMISED, NOW + wanted.promise, id)
  return 1
end

-- The same for any due record, under the first name of `anyone` that is not promised now.
local function wakeup_for_anyone(wanted)
  for i = 0, wanted.carriers - 1 do
    if tonumber(redis.call('ZSCORE', PROMISED, anyone(i)) or 0) < NOW then
      return wakeup(anyone(i), {
        carriers = wanted.carriers, per_carrier = wanted.per_carrier, promise = wanted.promise,
        coalesce = true,
      })
    end
  end
  return 0
end

-- --- Lost writes -------------------------------------------------------------------------------

-- Check whether acknowledged writes of the lane are gone (F68): the caller knows of more writes than
-- the lane has, or it knows another ledger's id. Then the lane is distrusted until `trust`. Returns
-- the number of writes.
local function notice(known_writes, known_id)
  local writes, known = counter('writes'), number(known_writes, 'known writes')
  local other = false
  if known_id ~= '' and known_id ~= redis.call('GET', N .. 'id') then
    other = redis.call('SISMEMBER', P .. 'continues', known_id) == 0
  end
  if known > writes or other then
    check{alarms = 'hash', doubted = 'set'}
    redis.call('SET', P .. 'distrust', string.format('%d', math.max(known, counter('distrust'))))
    if other then redis.call('SADD', P .. 'doubted', known_id) end
    redis.call('HSET', P .. 'alarms', 'lost-writes', 'the ledger has forgotten writes that it had '
        .. 'acknowledged: nothing new is issued until `astakos-worker ledger trust` is run')
  end
  return writes
end

