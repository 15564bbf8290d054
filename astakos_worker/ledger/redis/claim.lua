-- Lease what is most overdue on a lane to a carrier, or sign it off as awake: one step, so
-- that nobody counts on a carrier that has just found nothing. What the carrier is about to send
-- for them is announced by this. Returns
-- {why, now, ring, trial, queue, writes, failures,
--   {version, body, fence, cell, mark, lease, fresh}...}.

local carrier, lease = ARGV[1], tonumber(ARGV[2])
local issues, settles, settle_wait = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local own, wake = ARGV[6], ARGV[7]
local carriers, forgotten, schema = tonumber(ARGV[8]), tonumber(ARGV[12]), ARGV[13]
local send_until, quiet_at = NOW + ARGV[15], NOW + ARGV[16]

local writes = notice(ARGV[14], tonumber(redis.call('GET', P .. 'writes') or 0))
local distrusted = redis.call('EXISTS', P .. 'distrust') == 1

if wake == 'anyone' then
  -- Which of these promises it keeps does not matter.
  for i = 0, carriers - 1 do
    if redis.call('ZREM', PROMISED, anyone(i)) == 1 then break end
  end
elseif wake ~= '' then
  redis.call('ZREM', PROMISED, wake)
end

local function sign_off(why)
  redis.call('ZREM', AWAKE, carrier)
  return {why, NOW, 0, 0, '', writes, 0}
end

local function awake(who)
  return who and tonumber(redis.call('ZSCORE', AWAKE, who) or 0) >= NOW
end

-- A lane that rested is tried by one carrier with one record.
local trial = 0
local lane = redis.call('HMGET', LANE, 'until', 'level', 'failures')
local till, failures = lane[1], tonumber(lane[3] or 0)
if till then
  if tonumber(till) > NOW then return sign_off('resting') end
  local trier = redis.call('GET', P .. 'trial')
  if trier ~= carrier and awake(trier) then return sign_off('resting') end
  redis.call('SET', P .. 'trial', carrier)
  trial = tonumber(lane[2] or 1)
  issues, settles = 1, 1
end

-- Also for one that counts as awake: it may have been forgotten for a while and replaced.
local others = redis.call('ZCOUNT', AWAKE, NOW, '+inf') - (awake(carrier) and 1 or 0)
if others >= carriers then return sign_off('full') end

-- One settles what there is, so that batches are full, and a second one beside it what fills a
-- batch. The last batch of each is recorded by the time that it asks again.
local seat, alone = nil, true
for i = 1, 2 do
  local settler = redis.call('GET', P .. 'settler:' .. i)
  if settler == carrier then redis.call('DEL', P .. 'settler:' .. i) end
  if settler ~= carrier and awake(settler) then alone = false else seat = seat or i end
end
local decided, waiting = due(SETTLE), due(ISSUE)
local may_settle = seat and (alone or decided >= settles)

local HEAD = 7
local WIDE, MOST_WIDE = 8, 400  -- times as many are looked at as are taken, and at most so many
local MOST = 2000  -- records that are passed over in one claim: the server has others to serve
local skipped, marks = 0, 0
local out = {'', NOW, 0, trial, '', writes, failures}

-- The n most overdue: the first with who else is of the same holder, then the next with its like.
-- Astakos locks the rows of all holders that a request names. So what would have to wait for each
-- other there goes one after the other here, and the fewer are locked the more others go on.
local function together(queue, n)
  local most = math.min(n * WIDE, MOST_WIDE)
  local keys = redis.call('ZRANGEBYSCORE', queue, '-inf', NOW, 'LIMIT', 0, most)
  if #keys <= n then return keys end
  local groups, of, chosen = {}, {}, {}
  for _, key in ipairs(keys) do
    local holder = redis.call('HGET', record(key), 'holder') or ''
    if not of[holder] then
      of[holder] = {}
      groups[#groups + 1] = of[holder]
    end
    table.insert(of[holder], key)
  end
  for _, group in ipairs(groups) do
    for _, key in ipairs(group) do
      if #chosen < n then chosen[#chosen + 1] = key end
    end
  end
  return chosen
end

-- What is announced by who claims a record; nothing for one that was rejected before it was issued.
local function mark(announces, cell, before)
  local times = 1
  if announces == 'issue' then
    if before or cell and string.match(cell, '"(%a+)"') == 'reject' then return before, false end
  elseif announces == 'settle' and cell then
    -- Of those who died with it in hand it counts that there were some.
    if before then times = math.min(tonumber(string.match(before, '%d+$')) + 1, 8) end
  else
    return before, false
  end
  return string.format('%d %d %d %d', NOW, send_until, quiet_at, times), true
end

-- Lease up to n records of a queue, its own first. Newer ones are passed over where they are.
local function fill(queue, n)
  local passed = 0
  local function take(key)
    local R = record(key)
    local is = redis.call('HMGET', R, 'ver', 'body', 'cell', 'open', 'fence', 'announces', 'mark')
    local before = is[7] ~= '' and is[7]
    if is[4] ~= '1' then
      redis.call('ZREM', queue, key)  -- expired, or closed by one that did not hold it
    elseif newer(is[2], schema) then
      passed, skipped = passed + 1, skipped + 1
    elseif distrusted and not before and cjson.decode(is[2]).state == 'queued' then
      redis.call('ZADD', queue, NOW + 2000, key)  -- it may have been issued already (F68)
      skipped = skipped + 1
    else
      local fence, version = (is[5] or 0) + 1, is[1]
      local now, fresh = mark(is[6], is[3], before)
      if fresh then
        marks, version = marks + 1, version + 1
        redis.call('HSET', R, 'fence', fence, 'lease', NOW + lease, 'mark', now, 'ver', version)
      else
        redis.call('HSET', R, 'fence', fence, 'lease', NOW + lease)
      end
      redis.call('ZADD', queue, NOW + lease, key)
      out[#out + 1] = {version, is[2], fence, is[3], now, 0, fresh and 1 or 0}
    end
  end
  local at = own ~= '' and n > 0 and redis.call('ZSCORE', queue, own)
  if at and tonumber(at) <= NOW then
    take(own)
    passed = 0
  end
  for _, key in ipairs(together(queue, n - #out + HEAD)) do take(key) end
  passed = 0  -- they may be anywhere
  local keys = {own}
  while #out - HEAD < n and #keys > 0 and skipped < MOST do
    keys = redis.call('ZRANGEBYSCORE', queue, '-inf', NOW, 'LIMIT', passed, n - #out + HEAD)
    for _, key in ipairs(keys) do take(key) end
  end
  if #out == HEAD then return end
  out[5] = queue == SETTLE and 'settle' or 'issue'
  if queue == SETTLE then redis.call('SET', P .. 'settler:' .. seat, carrier) end
end

-- The first of the most overdue records that have not failed, or nothing. The body leaves a zero
-- out, so one with 'attempts' in it has failed; a quote in a caller's text has a backslash.
local function untried(queue)
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', queue, '-inf', NOW, 'LIMIT', 0, MOST_WIDE)) do
    local body = redis.call('HGET', record(key), 'body')
    if body and not string.find(body, '"attempts":', 1, true) then return key end
  end
end

if trial > 0 then
  -- A record that fails each time must not keep the lane at rest: one that has not goes first.
  own = may_settle and untried(SETTLE) or ''
  if own ~= '' then
    fill(SETTLE, 1)
  else
    own = untried(ISSUE) or ''
    if own ~= '' then fill(ISSUE, 1) end
  end
end

local ripe = #out == HEAD and may_settle and decided > 0
if ripe and waiting > 0 and decided < settles then
  local oldest = redis.call('ZRANGE', SETTLE, 0, 0, 'WITHSCORES')
  ripe = NOW - tonumber(oldest[2]) >= settle_wait
end
if ripe then fill(SETTLE, settles) end
if #out == HEAD then fill(ISSUE, issues) end
if #out == HEAD and may_settle and not ripe then fill(SETTLE, settles) end
if #out == HEAD then
  -- Decided ones that another settler has in hand, or that wait for company, are its own next.
  return sign_off('idle')
end
redis.call('ZADD', AWAKE, NOW + forgotten, carrier)
if marks > 0 then out[6] = redis.call('INCRBY', P .. 'writes', marks) end
out[3] = wakeup_for_anyone(ARGV[8], ARGV[9], ARGV[10])
return out
