-- Shared by all scripts, which are loaded with it in front of them.
-- KEYS[1] is the prefix of a lane's keys. Times are milliseconds of the store's clock.

local P = KEYS[1]
local SETTLE, ISSUE = P .. 'due:settle', P .. 'due:issue'  -- key -> when it is due
local AWAKE = P .. 'awake'        -- carrier -> when it is forgotten
local PROMISED = P .. 'promised'  -- wake-up -> when it no longer counts
local OPEN = P .. 'open'          -- key -> its deadline, while it is undecided
local HELD = P .. 'held'          -- key -> its serial, while it is open
local DEAD = P .. 'dead'          -- key -> when it is purged, of those that wait for a person
local LANE = P .. 'lane'          -- until, level, reason: the lane rests

local clock = redis.call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function due(queue)
  return redis.call('ZCOUNT', queue, '-inf', NOW)
end

local function record(key)
  return P .. 'r:' .. key
end

-- Whether a body is of a newer schema, and so left for a newer worker (F78). It says so first.
local function newer(body, schema)
  return tonumber(string.match(body, '^{"schema":(%d+)')) > tonumber(schema)
end

-- The incarnation that a record's text names. It comes before anything that a caller wrote, and a
-- key cannot look like it: quotes inside a JSON string are escaped.
local function incarnation_of(body)
  return string.match(body, '"incarnation":"([^"]*)"')
end

-- Tell those who watch a record what it is now, so that they need not ask.
local function publish(...)
  redis.call('PUBLISH', P .. 'changed', cjson.encode({...}))
end

-- Promises of wake-ups that are for whatever is due; no caller's key starts like this.
local function anyone(i)
  return '\31any:' .. i
end

-- Whether a wake-up is wanted. If so it is promised, and counts as a carrier for a while.
local function wakeup(id, carriers, per_carrier, promise, coalesce)
  local awake = 0
  if coalesce ~= '0' then
    awake = redis.call('ZCOUNT', AWAKE, NOW, '+inf') + redis.call('ZCOUNT', PROMISED, NOW, '+inf')
    if awake >= tonumber(carriers) then return 0 end
  end
  local till = redis.call('HGET', LANE, 'until')
  if till and tonumber(till) > NOW then return 0 end
  local decided, waiting = due(SETTLE), due(ISSUE)
  if decided + waiting == 0 then return 0 end
  if coalesce ~= '0' then
    -- One carrier settles for all, and two settle many: one more would find nothing to do.
    local settlers = decided > 4 * per_carrier and 2 or 1
    local backlog = waiting + math.min(decided, settlers * per_carrier)
    local wanted = math.min(tonumber(carriers), math.ceil(backlog / per_carrier))
    if till then wanted = 1 end  -- one tries a lane
    if awake >= wanted then return 0 end
  end
  -- Here, or who enqueues while no worker is there to drive would let them pile up.
  redis.call('ZREMRANGEBYSCORE', PROMISED, '-inf', '(' .. NOW)
  redis.call('ZADD', PROMISED, NOW + promise, id)
  return 1
end

-- The same for whatever is due, under a name that no standing promise has.
local function wakeup_for_anyone(carriers, per_carrier, promise)
  for i = 0, tonumber(carriers) - 1 do
    if tonumber(redis.call('ZSCORE', PROMISED, anyone(i)) or 0) < NOW then
      return wakeup(anyone(i), carriers, per_carrier, promise, '1')
    end
  end
  return 0
end

-- Notice that acknowledged writes are gone (F68): the caller was told of `seen` before, and there
-- are but `writes` now. Until an operator says that it is all right nothing new is issued.
local function notice(seen, writes)
  if tonumber(seen) > writes then
    local most = math.max(tonumber(seen), tonumber(redis.call('GET', P .. 'distrust') or 0))
    redis.call('SET', P .. 'distrust', most)
    redis.call('HSET', P .. 'alarms', 'lost-writes', 'the ledger has forgotten writes that it had '
        .. 'acknowledged: nothing new is issued until `astakos-worker ledger trust` is run')
  end
  return writes
end
