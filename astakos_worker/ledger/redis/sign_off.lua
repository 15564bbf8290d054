-- A carrier goes, with or without more being due; who is not awake neither settles nor tries a
-- lane. Returns {now, ring}.

redis.call('ZREM', AWAKE, ARGV[1])
return {NOW, wakeup_for_anyone(ARGV[2], ARGV[3], ARGV[4])}
