-- Removes keys and their leases, and publishes it. -1: the keys are of another generation.
-- KEYS: control, key…  ARGV: generation, channel, message
local control = redis.call('GET', KEYS[1])
if not control or string.sub(control, 1, 16) ~= ARGV[1] then return -1 end
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
return redis.call('PUBLISH', ARGV[2], ARGV[3])
