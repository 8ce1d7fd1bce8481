-- Stores the values whose keys still have the tag. One item for each key: 1 stored, 0 refused,
-- -11 the server is full: the lease is given up then.
-- KEYS: key…  ARGV: channel, then for each key: tag, state, milliseconds (0: for ever), text
local filled, awaited, failed = {}, {}, {}
for i, key in ipairs(KEYS) do
  local at = 4 * i - 2
  local state = redis.pcall('GETRANGE', key, 0, 8)
  if type(state) == 'table' or string.sub(state, 2) ~= ARGV[at] then
    filled[i] = 0
  else
    local set
    if ARGV[at + 2] == '0' then
      set = redis.pcall('SET', key, ARGV[at + 1])
    else
      set = redis.pcall('SET', key, ARGV[at + 1], 'PX', ARGV[at + 2])
    end
    filled[i] = 1
    if set['err'] then
      filled[i] = -11
      failed[#failed + 1] = key
    end
    if string.sub(state, 1, 1) == 'W' then awaited[#awaited + 1] = ARGV[at + 3] end
  end
end
-- Last: a full server accepts every write of a script that has removed something.
for _, key in ipairs(failed) do redis.call('UNLINK', key) end
if #awaited > 0 then redis.call('PUBLISH', ARGV[1], 'F ' .. table.concat(awaited, ' ')) end
return filled
