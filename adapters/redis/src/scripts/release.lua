-- Gives up the leases that still hold.
-- KEYS: key…  ARGV: channel, then for each key: tag, text
local released, awaited = 0, {}
for i, key in ipairs(KEYS) do
  local state = redis.pcall('GETRANGE', key, 0, 8)
  if type(state) ~= 'table' and string.sub(state, 2) == ARGV[2 * i] then
    local kind = string.sub(state, 1, 1)
    if kind == 'L' or kind == 'W' then released = released + redis.call('UNLINK', key) end
    if kind == 'W' then awaited[#awaited + 1] = ARGV[2 * i + 1] end
  end
end
if #awaited > 0 then redis.call('PUBLISH', ARGV[1], 'F ' .. table.concat(awaited, ' ')) end
return released
