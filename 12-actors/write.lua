-- Writes the state KEYS[1] if its version is still ARGV[1], together with the
-- effect ARGV[3] in KEYS[2] if that is not there yet.
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if version ~= tonumber(ARGV[1]) then
  return 'stale'
end
if ARGV[3] ~= '' and redis.call('HSETNX', KEYS[2], ARGV[3], version + 1) == 0 then
  return 'done'
end
redis.call('HSET', KEYS[1], 'version', version + 1, 'data', ARGV[2])
return 'written'
