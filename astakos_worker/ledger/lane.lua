-- Shared by all scripts, which are loaded with it in front of them.
-- KEYS[1] is the prefix of a lane's keys. Times are milliseconds of the store's clock.

local P = KEYS[1]
local SETTLE, ISSUE = P .. 'due:settle', P .. 'due:issue'  -- key -> when it is due
local AWAKE = P .. 'awake'        -- carrier -> when it is forgotten
local PROMISED = P .. 'promised'  -- wake-up -> when it no longer counts
local OPEN = P .. 'open'          -- key -> its deadline
local HELD = P .. 'held'          -- key -> its serial, while it is open
local LANE = P .. 'lane'          -- until, level, reason: the lane rests

local clock = redis.call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function due(queue)
  return redis.call('ZCOUNT', queue, '-inf', NOW)
end

local function record(key)
  return P .. 'r:' .. key
end

-- Whether a wake-up is wanted. If so it is promised, and counts as a carrier for a while.
local function ring(id, carriers, per_carrier, promise, coalesce)
  if tonumber(redis.call('HGET', LANE, 'until') or 0) > NOW then return 0 end
  local backlog = due(SETTLE) + due(ISSUE)
  if backlog == 0 then return 0 end
  if coalesce ~= '0' then
    local wanted = math.min(tonumber(carriers), math.ceil(backlog / tonumber(per_carrier)))
    local awake = redis.call('ZCOUNT', AWAKE, NOW, '+inf')
        + redis.call('ZCOUNT', PROMISED, NOW, '+inf')
    if awake >= wanted then return 0 end
  end
  redis.call('ZADD', PROMISED, NOW + promise, id)
  return 1
end
