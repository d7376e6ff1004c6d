-- One look at the table of members: renew my lease, bury those whose lease has
-- run out, and return who is left. Redis runs a script alone, and its clock is
-- the only one that counts.
--
-- KEYS   leases (a sorted set: when each member's lease ends), records (a hash:
--        what each tells of itself), pulse (when anybody looked last), log,
--        born (since when there is a table), version (of the list of members)
-- ARGV   what (join, renew, leave or look), id, lease in ms, record, log lines...
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lease = tonumber(ARGV[3])
local what, id = ARGV[1], ARGV[2]

-- When nobody could look for a while, the table was out of reach, and that
-- nobody renewed says nothing of the members.
local pulse = tonumber(redis.call('GET', KEYS[3]) or '0')
if now - pulse > lease / 2 then
  for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    redis.call('ZADD', KEYS[1], now + lease, member)
  end
end
redis.call('SET', KEYS[3], now)

-- A table that is new, or that Redis has forgotten, does not have everybody in it
-- yet: for the time of a lease, whoever is not on it is not gone.
if pulse == 0 then
  redis.call('SET', KEYS[5], now)
end
local forming = now - tonumber(redis.call('GET', KEYS[5]) or '0') < lease

local answer = forming and 'forming' or 'ok'
local changed = 0 -- how many have come or gone
if what == 'leave' then
  changed = redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
elseif what == 'join' or what == 'renew' then
  local until_ = redis.call('ZSCORE', KEYS[1], id)
  if what == 'renew' and not until_ and not forming then
    answer = 'lost' -- somebody has buried me, and my grains live elsewhere
  else
    changed = redis.call('ZADD', KEYS[1], now + lease, id)
    redis.call('HSET', KEYS[2], id, ARGV[4])
  end
end

for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)) do
  redis.call('LPUSH', KEYS[4], cjson.encode({
    time = now, event = 'silo gone', record = redis.call('HGET', KEYS[2], dead) }))
  changed = changed + redis.call('ZREM', KEYS[1], dead)
  redis.call('HDEL', KEYS[2], dead)
end
for i = 5, #ARGV do
  redis.call('LPUSH', KEYS[4], ARGV[i])
end
redis.call('LTRIM', KEYS[4], 0, 499)

-- A version is a time, so that it grows also after Redis has forgotten the last one.
local version = tonumber(redis.call('GET', KEYS[6]) or '0')
if changed > 0 then
  version = math.max(version + 1, now)
  redis.call('SET', KEYS[6], string.format('%.0f', version))
end

local members = redis.call('ZRANGE', KEYS[1], 0, -1)
local result = { answer, string.format('%.0f', version) }
for _, member in ipairs(members) do
  result[#result + 1] = redis.call('HGET', KEYS[2], member)
end
return result
