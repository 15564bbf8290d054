-- Publish the changes of a record for a while. ARGV: key, milliseconds.
-- Returns {version, body, fence, cell, mark}; no version: there is no such record.

local key, till = ARGV[1], NOW + number(ARGV[2], 'time')
local is = read(key)
if not is then return {false, false, false, false, false} end
if is.fault then return {'0', '', '0', false, false} end
-- Callers that wait ask often, and a call that writes nothing does not wait for the disk.
if tonumber(is.watched or 0) < (NOW + till) / 2 then
  redis.call('HSET', P .. 'r:' .. key, 'watched', string.format('%d', till))
end
return {is.ver, is.body, is.fence or false, is.cell or false, is.mark or false}
