-- Claim the most overdue records of a lane for a carrier, or sign the carrier off. Both are one step:
-- a caller that sees a carrier awake can rely on it (F76). The claim marks what the carrier is about
-- to send for each record: see marks.py.
--
-- Returns {why, now, wakeup, trial, queue, writes, failures, record...}, and a record is
-- {version, body, fence, cell, mark, 0, fresh, key}; fresh is 1 if this claim has marked it. Records
-- of a newer schema are passed over (F78); records that cannot be read are set aside (F86).

local carrier, lease = ARGV[1], number(ARGV[2], 'lease')
local issues, settles = number(ARGV[3], 'issues'), number(ARGV[4], 'settles')
local settle_wait, own, wakeup_id = number(ARGV[5], 'settle wait'), ARGV[6], ARGV[7]
local wanted, forgotten = policy(8), number(ARGV[12], 'forgotten')
local schema = number(ARGV[13], 'schema')
local send_until, quiet_at = NOW + number(ARGV[15], 'send for'), NOW + number(ARGV[16], 'quiet for')
check(WAKEUPS)
check{
  ['settler:1'] = 'string', ['settler:2'] = 'string', trial = 'string', alarms = 'hash',
  unreadable = 'hash',
}
local writes = notice(ARGV[14], ARGV[17])
local distrusted = redis.call('EXISTS', P .. 'distrust') == 1

if wakeup_id == 'anyone' then
  -- Any of these will do: take the first.
  for i = 0, wanted.carriers - 1 do
    if redis.call('ZREM', PROMISED, anyone(i)) == 1 then break end
  end
elseif wakeup_id ~= '' then
  redis.call('ZREM', PROMISED, wakeup_id)
end

local function sign_off(why)
  redis.call('ZREM', AWAKE, carrier)
  return {why, NOW, 0, 0, '', writes, 0}
end

local function awake(who)
  return who and tonumber(redis.call('ZSCORE', AWAKE, who) or 0) >= NOW
end

-- --- What this carrier may do ------------------------------------------------------------------

-- A lane that has rested is tried by one carrier with one record.
local trial = 0
local lane = redis.call('HMGET', LANE, 'until', 'level', 'failures')
local till, failures = lane[1], tonumber(lane[3] or 0) or 0
if till then
  if (tonumber(till) or 0) > NOW then return sign_off('resting') end
  local trier = redis.call('GET', P .. 'trial')
  if trier ~= carrier and awake(trier) then return sign_off('resting') end
  redis.call('SET', P .. 'trial', carrier)
  trial = tonumber(lane[2] or 1) or 1
  issues, settles = 1, 1
end

-- A carrier that counts as awake is refused too: it may have been forgotten, and another started.
local others = redis.call('ZCOUNT', AWAKE, NOW, '+inf') - (awake(carrier) and 1 or 0)
if others >= wanted.carriers then return sign_off('full') end

-- One carrier settles all decided records, so that batches are full. A second one may settle beside
-- it if a whole batch is decided. A settler frees its seat when it claims again: by then its last
-- batch is recorded.
local seat, alone = nil, true
for i = 1, 2 do
  local settler = redis.call('GET', P .. 'settler:' .. i)
  if settler == carrier then redis.call('DEL', P .. 'settler:' .. i) end
  if settler ~= carrier and awake(settler) then alone = false else seat = seat or i end
end
local decided, waiting = due(SETTLE), due(ISSUE)
local may_settle = seat and (alone or decided >= settles)

-- --- Taking records ----------------------------------------------------------------------------

local HEAD = 7
local WIDE, MOST_WIDE = 8, 400  -- look at 8 records for each one that is taken, at 400 at most
local MOST = 2000  -- pass over at most 2000 records: the server has other callers to serve
local skipped, marks = 0, 0
local out = {'', NOW, 0, trial, '', writes, failures}

-- The n records to take: the most overdue with others of its holder, then the next with others of
-- its holder, and so on. Astakos locks the rows of all holders in a request, so records of one holder
-- would wait for each other there. One carrier takes them all; then fewer holders are locked at once.
local function together(queue, n)
  local most = math.min(n * WIDE, MOST_WIDE)
  local keys = redis.call('ZRANGEBYSCORE', queue, '-inf', NOW, 'LIMIT', 0, most)
  if #keys <= n then return keys end
  local groups, of, chosen = {}, {}, {}
  for _, key in ipairs(keys) do
    local holder = redis.pcall('HGET', P .. 'r:' .. key, 'holder')
    if type(holder) ~= 'string' then holder = '' end
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

-- The mark that a claim leaves, or nil. A record that was rejected before it was issued gets none. Nor
-- does a record whose POST may have been sent already: it is looked for in Astakos' list first.
local function mark_of(is)
  local times = 1
  if is.announces == 'issue' then
    if is.mark or is.verb == 'reject' then return nil end
  elseif is.announces == 'settle' and is.cell then
    -- Only "one send" and "more than one" differ, so it need not count beyond eight.
    if is.mark then times = math.min(tonumber(string.match(is.mark, '%d+$')) + 1, 8) end
  else
    return nil
  end
  return string.format('%d %d %d %d', NOW, send_until, quiet_at, times)
end

local function lease_to_carrier(queue, key, is)
  local fence = string.format('%d', (is.fence or 0) + 1)
  local fields = {'fence', fence, 'lease', string.format('%d', NOW + lease)}
  local version, mark = is.ver, mark_of(is)
  if mark then
    version, marks = string.format('%d', version + 1), marks + 1
    for _, each in ipairs{'mark', mark, 'ver', version} do fields[#fields + 1] = each end
  end
  redis.call('HSET', P .. 'r:' .. key, unpack(fields))
  redis.call('ZADD', queue, NOW + lease, key)
  out[#out + 1] = {
    version, is.body, fence, is.cell or false, mark or is.mark or false, 0, mark and 1 or 0, key,
  }
end

-- Claim up to n records of a queue, the carrier's own first.
local function fill(queue, n)
  local passed = 0  -- records that stay where they are, and are not looked at again
  local function take(key)
    local is = read(key)
    if not is or not is.fault and is.open ~= '1' then
      redis.call('ZREM', queue, key)  -- purged, or closed by a writer without the lease
    elseif is.fault then
      set_aside(key, is.fault)
    elseif is.schema > schema then
      passed, skipped = passed + 1, skipped + 1
    elseif distrusted and not is.mark and is.announces == 'issue' then
      redis.call('ZADD', queue, NOW + 2000, key)  -- it may have been issued already (F68)
      skipped = skipped + 1
    else
      lease_to_carrier(queue, key, is)
    end
  end
  local at = own ~= '' and n > 0 and redis.call('ZSCORE', queue, own)
  if at and tonumber(at) <= NOW then take(own) end
  for _, key in ipairs(together(queue, n - #out + HEAD)) do take(key) end
  passed = 0  -- the records so far may be anywhere in the queue: begin again at its head
  local keys = {own}
  while #out - HEAD < n and #keys > 0 and skipped < MOST do
    keys = redis.call('ZRANGEBYSCORE', queue, '-inf', NOW, 'LIMIT', passed, n - #out + HEAD)
    for _, key in ipairs(keys) do take(key) end
  end
  if #out == HEAD then return end
  out[5] = queue == SETTLE and 'settle' or 'issue'
  if queue == SETTLE then redis.call('SET', P .. 'settler:' .. seat, carrier) end
end

-- The first of the most overdue records that have not failed, or nil. A body leaves out a zero, so a
-- body with 'attempts' is of a record that has failed. A quote in a caller's text has a backslash.
local function untried(queue)
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', queue, '-inf', NOW, 'LIMIT', 0, MOST_WIDE)) do
    local body = redis.pcall('HGET', P .. 'r:' .. key, 'body')
    if type(body) == 'string' and not string.find(body, '"attempts":', 1, true) then return key end
  end
end

if trial > 0 then
  -- A record that fails each time must not keep the lane at rest: one that has not failed goes first.
  own = may_settle and untried(SETTLE) or ''
  if own ~= '' then
    fill(SETTLE, 1)
  else
    own = untried(ISSUE) or ''
    if own ~= '' then fill(ISSUE, 1) end
  end
end

-- Decided records wait a moment for others, so that batches are full, unless no other work is due.
local ripe = #out == HEAD and may_settle and decided > 0
if ripe and waiting > 0 and decided < settles then
  local oldest = redis.call('ZRANGE', SETTLE, 0, 0, 'WITHSCORES')
  ripe = NOW - tonumber(oldest[2]) >= settle_wait
end
if ripe then fill(SETTLE, settles) end
if #out == HEAD then fill(ISSUE, issues) end
if #out == HEAD and may_settle and not ripe then fill(SETTLE, settles) end
if #out == HEAD then
  -- What is still due waits for others, or for another settler: that settler takes it next.
  return sign_off('idle')
end
redis.call('ZADD', AWAKE, NOW + forgotten, carrier)
if marks > 0 then out[6] = redis.call('INCRBY', P .. 'writes', marks) end
out[3] = wakeup_for_anyone(wanted)
return out
