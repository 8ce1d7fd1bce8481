-- Stores a value if its key still has the tag, removes those of other schemas, and publishes it. -1:
-- the keys are of another generation; 0 refused; 1 stored; -11 the server is full: the key is
-- removed then.
-- KEYS: control, key, key of another schema…
-- ARGV: generation, channel, message, tag, state, milliseconds (0: for ever), message of a fill
local control = redis.call('GET', KEYS[1])
if not control or string.sub(control, 1, 16) ~= ARGV[1] then return -1 end
local old = redis.pcall('GETRANGE', KEYS[2], 0, 8)
if type(old) == 'table' or string.sub(old, 2) ~= ARGV[4] then return 0 end
local set
if ARGV[6] == '0' then
  set = redis.pcall('SET', KEYS[2], ARGV[5])
else
  set = redis.pcall('SET', KEYS[2], ARGV[5], 'PX', ARGV[6])
end
-- Last: a full server accepts every write of a script that has removed something.
for i = set['err'] and 2 or 3, #KEYS do redis.call('UNLINK', KEYS[i]) end
redis.call('PUBLISH', ARGV[2], ARGV[3])
if string.sub(old, 1, 1) == 'W' then redis.call('PUBLISH', ARGV[2], ARGV[7]) end
return set['err'] and -11 or 1
