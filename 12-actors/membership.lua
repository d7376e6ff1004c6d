-- One look at the table of members: renew my lease, bury those whose lease has
-- run out, and return who is left. Redis runs a script alone, and its clock is
-- the only one that counts.
--
-- KEYS   leases (a sorted set: when each member's lease ends), records (a hash:
--        what each tells of itself), pulse (when anybody looked last), log,
--        born (since when there is a table), version (of the list of members),
--        accusations (a hash: "accuser accused" to when first and when last),
--        joined (a hash: when each member came), placements (the log of the grains,
--        which would soon push what happened to silos out of theirs)
-- ARGV   what (join, renew, leave or look), id, lease in ms, record, whom this one
--        cannot reach (ids with a space between), log lines...
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
  redis.call('HDEL', KEYS[8], id)
elseif what == 'join' or what == 'renew' then
  local until_ = redis.call('ZSCORE', KEYS[1], id)
  if what == 'renew' and not until_ and not forming then
    answer = 'lost' -- somebody has buried me, and my grains live elsewhere
  else
    changed = redis.call('ZADD', KEYS[1], now + lease, id)
    redis.call('HSET', KEYS[2], id, ARGV[4])
    redis.call('HSETNX', KEYS[8], id, now)
  end
end

local function bury(member, reason)
  redis.call('LPUSH', KEYS[4], cjson.encode({ time = now, event = 'silo gone',
    record = redis.call('HGET', KEYS[2], member), reason = reason }))
  changed = changed + redis.call('ZREM', KEYS[1], member)
  redis.call('HDEL', KEYS[2], member)
  redis.call('HDEL', KEYS[8], member)
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)) do
  bury(dead, 'its lease has run out')
end

-- Alive means that the others can call it. Of two of whom one cannot call the other one
-- has to go, and nobody knows whose fault it is: so an accusation counts against both.
-- The one goes who is in most of them; of two alike, the younger. A new accusation waits
-- for half a lease, so that all that there are have been made.
if what == 'renew' and answer ~= 'lost' then
  for accused in string.gmatch(ARGV[5], '%S+') do
    local key = id .. ' ' .. accused
    local since = string.match(redis.call('HGET', KEYS[7], key) or '', '^%d+') or now
    redis.call('HSET', KEYS[7], key, since .. ' ' .. now)
  end
end
local votes, since = {}, {}
local accusations = redis.call('HGETALL', KEYS[7])
for i = 1, #accusations, 2 do
  local accuser, accused = string.match(accusations[i], '^(%S+) (%S+)$')
  local first, last = string.match(accusations[i + 1], '^(%d+) (%d+)$')
  -- One that was not repeated at the next visits is taken back.
  if now - tonumber(last) >= lease / 2 or not redis.call('ZSCORE', KEYS[1], accuser)
    or not redis.call('ZSCORE', KEYS[1], accused) then
    redis.call('HDEL', KEYS[7], accusations[i])
  else
    for _, one in ipairs({ accuser, accused }) do
      votes[one] = (votes[one] or 0) + 1
      since[one] = math.min(since[one] or now, tonumber(first))
    end
  end
end
local worst
for one, n in pairs(votes) do
  local joined = tonumber(redis.call('HGET', KEYS[8], one) or '0')
  if not worst or n > worst.votes or n == worst.votes and joined > worst.joined then
    worst = { id = one, votes = n, joined = joined }
  end
end
if worst and now - since[worst.id] >= lease / 2 then
  bury(worst.id, 'it and others cannot call each other')
  if worst.id == id then
    answer = 'lost'
  end
end

for i = 6, #ARGV do
  local silos = string.find(ARGV[i], '"event":"silo', 1, true)
  redis.call('LPUSH', silos and KEYS[4] or KEYS[9], ARGV[i])
end
redis.call('LTRIM', KEYS[4], 0, 99)
redis.call('LTRIM', KEYS[9], 0, 499)

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
  -- Since when it is silent, by the clock of Redis.
  local ends = tonumber(redis.call('ZSCORE', KEYS[1], member))
  result[#result + 1] = string.format('%.0f', now + lease - ends)
end
return result
