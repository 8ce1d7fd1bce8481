-- Prolongs the leases that still hold.
-- KEYS: key…  ARGV: milliseconds, tag…
local renewed = 0
for i, key in ipairs(KEYS) do
  local state = redis.pcall('GETRANGE', key, 0, 8)
  if type(state) ~= 'table' and string.sub(state, 2) == ARGV[i + 1] then
    local kind = string.sub(state, 1, 1)
    if kind == 'L' or kind == 'W' then renewed = renewed + redis.call('PEXPIRE', key, ARGV[1]) end
  end
end
return renewed
