-- Stores values, removes those of other schemas, and publishes it. -1: the keys are of another
-- generation. Else the number of values that a full server did not take: those keys are removed.
-- KEYS: control, then for each value: key, key of another schema…
-- ARGV: generation, channel, message, schemas, then for each value: state, milliseconds (0: for
-- ever)
local control = redis.call('GET', KEYS[1])
if not control or string.sub(control, 1, 16) ~= ARGV[1] then return -1 end
local schemas, at, removed, refused = tonumber(ARGV[4]), 5, {}, 0
for i = 2, #KEYS, schemas do
  local set
  if ARGV[at + 1] == '0' then
    set = redis.pcall('SET', KEYS[i], ARGV[at])
  else
    set = redis.pcall('SET', KEYS[i], ARGV[at], 'PX', ARGV[at + 1])
  end
  if set['err'] then
    refused = refused + 1
    removed[#removed + 1] = KEYS[i]
  end
  for other = i + 1, i + schemas - 1 do removed[#removed + 1] = KEYS[other] end
  at = at + 2
end
-- Last: a full server accepts every write of a script that has removed something.
for _, key in ipairs(removed) do redis.call('UNLINK', key) end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return refused
