-- Say which carriers of a lane are still there; whoever drives learns how often to ring.
-- Returns {now, rings}.

local drives, forgotten = ARGV[1] == '1', tonumber(ARGV[2])
for i = 7, #ARGV do
  redis.call('ZADD', AWAKE, 'XX', NOW + forgotten, ARGV[i])  -- who signed off stays away
end
if not drives then return {NOW, 0} end

redis.call('ZREMRANGEBYSCORE', AWAKE, '-inf', NOW - 60000)
local rings = 0
while wakeup_for_anyone(ARGV[3], ARGV[4], ARGV[5]) == 1 do rings = rings + 1 end
return {NOW, rings}
