-- Returns the content of the control key, once it names this server: the generation and the
-- server's identity. A server that is not the one that the key names may have old values back, so
-- the generation changes, unless the server is known to have the values of the other.
-- KEYS: control  ARGV: identity, fresh generation, identity of the server whose values this one has
-- (none: ''), channel
local control = redis.call('GET', KEYS[1])
local generation = ARGV[2]
if control then
  local identity = string.sub(control, 18)
  if identity == ARGV[1] then return control end
  if ARGV[3] ~= '' and identity == ARGV[3] then generation = string.sub(control, 1, 16) end
end
-- A full server accepts the write of a script that has removed something.
redis.call('UNLINK', KEYS[1])
redis.call('SET', KEYS[1], generation .. ' ' .. ARGV[1])
redis.call('PUBLISH', ARGV[4], 'G ' .. generation)
return generation .. ' ' .. ARGV[1]
