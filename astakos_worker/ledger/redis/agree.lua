-- Compare the server's time with the bounds that a process knows. A process that agrees stores the
-- time, so that others can tell their own halt from a step of the server's clock.
-- Returns {server's time with its offset, epoch, the latest time that a process agreed to}.

local agreed = number(redis.call('GET', N .. 'agreed') or '0', N .. 'agreed')
if LEAST and EPOCH == (epoch or '0') and NOW == SERVER and SERVER > agreed then
  agreed = SERVER
  redis.call('SET', N .. 'agreed', string.format('%d', agreed))
end
return {SERVER, epoch or '0', agreed}
