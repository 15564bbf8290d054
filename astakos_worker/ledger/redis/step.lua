-- Take a step of the server's clock back: the ledger's time goes on as it was. ARGV: the step in
-- milliseconds, and the epoch in which it was measured. Only the first of several processes that
-- measured the same step does it. Returns {server's time with its offset, epoch, done}.

local step, measured = number(ARGV[1], 'step'), ARGV[2]
if measured ~= (epoch or '0') then return {SERVER, epoch or '0', 0} end
local next_epoch = string.format('%d', (tonumber(epoch) or 0) + 1)
local next_offset = string.format('%d', (tonumber(offset) or 0) - step)
redis.call('SET', N .. 'clock', next_epoch .. ' ' .. next_offset)
-- After a step forward this may be the time that the step made of it.
redis.call('SET', N .. 'agreed', string.format('%d', SERVER - step))
return {SERVER - step, next_epoch, 1}
