-- Correct a step of the server's clock: the ledger's time goes on as before. ARGV: the step in
-- milliseconds, the epoch in which it was measured, and the text of the alarm. Only the first of
-- several processes that measured the same step does it.
-- Returns {server's time with its offset, epoch, done}.

local step, measured = number(ARGV[1], 'step'), ARGV[2]
local lanes = redis.call('SMEMBERS', N .. 'lanes')
for _, lane in ipairs(lanes) do
  local kind = redis.call('TYPE', N .. lane .. ':alarms').ok
  if kind ~= 'hash' and kind ~= 'none' then fail(N .. lane .. ':alarms is a ' .. kind) end
end
if measured ~= (epoch or '0') then return {SERVER, epoch or '0', 0} end
local next_epoch = string.format('%d', (tonumber(epoch) or 0) + 1)
local next_offset = string.format('%d', (tonumber(offset) or 0) - step)
redis.call('SET', N .. 'clock', next_epoch .. ' ' .. next_offset)
-- After a step forward, `agreed` may be a time of the stepped clock: set it back as well.
redis.call('SET', N .. 'agreed', string.format('%d', SERVER - step))
for _, lane in ipairs(lanes) do redis.call('HSET', N .. lane .. ':alarms', 'clock', ARGV[3]) end
return {SERVER - step, next_epoch, 1}
