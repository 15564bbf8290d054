-- A carrier ends, whether or not more is due. Returns {now, wakeup}.

local carrier, wanted = ARGV[1], policy(2)
check(WAKEUPS)
redis.call('ZREM', AWAKE, carrier)
return {NOW, wakeup_for_anyone(wanted)}
