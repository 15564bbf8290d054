-- Say which carriers of a lane are alive; the process that drives learns how many wake-ups are
-- wanted. ARGV: drives (1 or 0), forgotten after, wake-up policy (4), carriers. Returns {now, wakeups}.

local drives, forgotten, wanted = ARGV[1] == '1', number(ARGV[2], 'forgotten'), policy(3)
check(WAKEUPS)
for i = 7, #ARGV do
  redis.call('ZADD', AWAKE, 'XX', NOW + forgotten, ARGV[i])  -- one that signed off stays away
end
if not drives then return {NOW, 0} end

redis.call('ZREMRANGEBYSCORE', AWAKE, '-inf', NOW - 60000)
local wakeups = 0
while wakeup_for_anyone(wanted) == 1 do wakeups = wakeups + 1 end
return {NOW, wakeups}
