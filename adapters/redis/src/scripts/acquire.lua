-- Leases keys that have no state. One item for each key: 'L' a new lease; a number of milliseconds
-- another lease; -10 no string; -11 the server is full; or the state.
-- KEYS: control, key…  ARGV: generation, lease time, tag…
local control = redis.call('GET', KEYS[1])
if not control or string.sub(control, 1, 16) ~= ARGV[1] then return -1 end
local found = {}
for i = 2, #KEYS do
  local kind = redis.pcall('GETRANGE', KEYS[i], 0, 0)
  local item
  if type(kind) == 'table' then
    item = -10
  elseif kind == '' then
    local set = redis.pcall('SET', KEYS[i], 'L' .. ARGV[i + 1], 'PX', ARGV[2])
    item = set['err'] and -11 or 'L'
  elseif kind == 'L' or kind == 'W' then
    -- SETRANGE keeps the time to live, and awaited leases are announced when they end.
    if kind == 'L' then redis.pcall('SETRANGE', KEYS[i], 0, 'W') end
    item = redis.call('PTTL', KEYS[i])
  else
    item = redis.call('GET', KEYS[i])
  end
  found[i - 1] = item
end
return found
