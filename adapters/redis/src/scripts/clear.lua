-- Begins a generation, and publishes it.
-- KEYS: control  ARGV: identity, fresh generation, channel
redis.call('UNLINK', KEYS[1])
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[1])
redis.call('PUBLISH', ARGV[3], 'G ' .. ARGV[2])
return ARGV[2] .. ' ' .. ARGV[1]
