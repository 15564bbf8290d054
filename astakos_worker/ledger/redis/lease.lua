-- Take, renew or (with no time) give back the lease N lease:<name>. ARGV: name, holder, milliseconds.
-- Returns 1 if the lease is the holder's now. It ends by the ledger's time, not by the server's: a
-- clock that is set back must not make it last for ever.

local name, holder, lease = N .. 'lease:' .. ARGV[1], ARGV[2], ARGV[3]
local milliseconds = lease ~= '' and number(lease, 'lease')
local till, other = string.match(redis.call('GET', name) or '', '^(%d+) (.*)$')
if other and other ~= holder and tonumber(till) > NOW then return 0 end
if milliseconds then
  redis.call('SET', name, string.format('%d %s', NOW + milliseconds, holder))
elseif other == holder then
  redis.call('DEL', name)
end
return 1
