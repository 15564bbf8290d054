-- Lease what is most overdue on a lane to a carrier, or sign it off as awake: one step, so
-- that nobody counts on a carrier that has just found nothing.
-- Returns {why, now, ring, trial, queue, {key, version, body, fence, cell}...}.

local carrier, lease = ARGV[1], tonumber(ARGV[2])
local issues, settles, settle_wait = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local own, wake = ARGV[6], ARGV[7]
local carriers, forgotten = tonumber(ARGV[8]), tonumber(ARGV[12])

if wake ~= '' then redis.call('ZREM', PROMISED, wake) end

local function sign_off(why)
  redis.call('ZREM', AWAKE, carrier)
  return {why, NOW, 0, 0, ''}
end

local function alive(who)
  return who and who ~= carrier and tonumber(redis.call('ZSCORE', AWAKE, who) or 0) >= NOW
end

-- A lane that rested is tried by one carrier with one record.
local trial = 0
local till = redis.call('HGET', LANE, 'until')
if till then
  if tonumber(till) > NOW then return sign_off('resting') end
  if alive(redis.call('GET', P .. 'trial')) then return sign_off('resting') end
  redis.call('SET', P .. 'trial', carrier)
  trial = tonumber(redis.call('HGET', LANE, 'level') or 1)
  issues, settles = 1, 1
end

if tonumber(redis.call('ZSCORE', AWAKE, carrier) or 0) < NOW
    and redis.call('ZCOUNT', AWAKE, NOW, '+inf') >= carriers then
  return sign_off('full')
end

-- One settler a lane; its last batch is recorded by the time that it asks again.
local may_settle = not alive(redis.call('GET', P .. 'settler'))
if may_settle then redis.call('DEL', P .. 'settler') end

local queue = ISSUE
local decided, waiting = due(SETTLE), due(ISSUE)
if decided > 0 and may_settle then
  local oldest = redis.call('ZRANGE', SETTLE, 0, 0, 'WITHSCORES')
  if waiting == 0 or decided >= settles or NOW - tonumber(oldest[2]) >= settle_wait then
    queue = SETTLE
    redis.call('SET', P .. 'settler', carrier)
  end
end

local n = queue == SETTLE and settles or issues
local keys = redis.call('ZRANGEBYSCORE', queue, '-inf', NOW, 'LIMIT', 0, n)
if own ~= '' and n > 0 then
  local at = redis.call('ZSCORE', queue, own)
  if at and tonumber(at) <= NOW then
    local first = {own}
    for _, key in ipairs(keys) do
      if key ~= own and #first < n then first[#first + 1] = key end
    end
    keys = first
  end
end

local out = {'', NOW, 0, trial, queue == SETTLE and 'settle' or 'issue'}
for _, key in ipairs(keys) do
  local R = record(key)
  local is = redis.call('HMGET', R, 'ver', 'body', 'cell')
  if is[1] then
    local fence = redis.call('HINCRBY', R, 'fence', 1)
    redis.call('HSET', R, 'lease', NOW + lease)
    redis.call('ZADD', queue, NOW + lease, key)
    out[#out + 1] = {key, is[1], is[2], tostring(fence), is[3]}
  else
    redis.call('ZREM', queue, key)
  end
end
if #out == 5 then
  -- Decided ones that another settler has in hand, or that wait for company, are its own next.
  return sign_off('idle')
end
redis.call('ZADD', AWAKE, NOW + forgotten, carrier)
out[3] = ring(carrier .. '+', ARGV[8], ARGV[9], ARGV[10], '1')
return out
