-- Let nobody work on a lane for a while; with no time, let it work again. Returns {now}.

redis.call('DEL', P .. 'trial')
if ARGV[1] == '' then
  redis.call('DEL', LANE)
else
  -- Everyone who was on the way when it began says so too: that is one rest, and the longest.
  local till = tonumber(redis.call('HGET', LANE, 'until') or 0)
  if till <= NOW then redis.call('HINCRBY', LANE, 'level', 1) end
  if NOW + ARGV[1] > till then
    redis.call('HSET', LANE, 'until', NOW + ARGV[1], 'reason', ARGV[2])
  end
end
return {NOW}
