-- Look for records, some at a time: the server serves its other callers between two calls. Nothing
-- is written. This script stands alone, without lane.lua.
-- KEYS: the prefix of the lane's keys. ARGV: where to look ('open': the index of open records, in its
-- order; 'all': every key of the server, in none), where to go on, how many to look at, how many to
-- find (of 'all' some more), a part of the key or '', the latest time in seconds at which the record
-- was made or '', and then groups of texts with '' after each group. A record is found if its key has
-- the part and its JSON has one text of each group; what it means is for Python to say.
-- Returns {where to go on, or '' at the end, {key, version, body, fence, cell, mark} ...}.

local P, place, from, count = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local most, part, latest = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local groups, group = {}, {}
for i = 7, #ARGV do
  if ARGV[i] == '' then
    groups[#groups + 1], group = group, {}
  else
    group[#group + 1] = ARGV[i]
  end
end

local function has(text, wanted)
  for _, each in ipairs(wanted) do
    if string.find(text, each, 1, true) then return true end
  end
  return false
end

local function found(body)
  if latest and (tonumber(string.match(body, '"created":([%d%.eE+]+)')) or 0) > latest then
    return false
  end
  for _, wanted in ipairs(groups) do
    if not has(body, wanted) then return false end
  end
  return true
end

-- A text as a pattern of SCAN that matches it alone.
local function literal(text)
  return (string.gsub(text, '[%*%?%[%]\\]', '\\%0'))
end

local keys, after = {}, ''
if place == 'open' then
  local first = tonumber(from)
  keys = redis.call('ZRANGE', P .. 'open', first, first + count - 1)
  if #keys == count then after = string.format('%d', first + count) end
else
  local start = P .. 'r:'
  local middle = part == '' and '*' or '*' .. literal(part) .. '*'
  local next, names = unpack(redis.call('SCAN', from, 'MATCH', literal(start) .. middle, 'COUNT', count))
  for i, name in ipairs(names) do keys[i] = string.sub(name, #start + 1) end
  if next ~= '0' then after = next end
end

local out = {after}
for i, key in ipairs(keys) do
  if place == 'open' and #out > most then
    out[1] = string.format('%d', from + i - 1)
    break
  end
  if part == '' or string.find(key, part, 1, true) then
    local row = redis.pcall('HMGET', P .. 'r:' .. key, 'ver', 'body', 'fence', 'cell', 'mark')
    if not row.err and row[1] and row[2] and found(row[2]) then
      table.insert(row, 1, key)
      out[#out + 1] = row
    end
  end
end
return out
