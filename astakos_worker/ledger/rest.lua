-- Let nobody work on a lane for a while; with no time, let it work again. Returns {now}.

redis.call('DEL', P .. 'trial')
if ARGV[1] == '' then
  redis.call('DEL', LANE)
else
  redis.call('HINCRBY', LANE, 'level', 1)
  redis.call('HSET', LANE, 'until', NOW + ARGV[1], 'reason', ARGV[2])
end
return {NOW}
