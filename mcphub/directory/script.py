"""The one script that all processes run on Redis every second: leases renewed, taken and given up, and the view read.

It runs as one atomic step, so two workers never take the same server. Times are those of Redis's clock; a lease names
its worker and its fencing number, and holds as long as that worker renews its place among the living: one write renews
all leases of a worker, however many there are. Above: `directory.redis`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: ARGV: worker ("" to only look), lifetime in ms, {keep: {name: lease}, drop: {name: lease}, take: [name]} as JSON.
SCRIPT = """
local alive_key, leases_key, counter_key, birth_key, states_prefix = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local worker, lifetime, orders = ARGV[1], tonumber(ARGV[2]), cjson.decode(ARGV[3])
local clock = redis.call('TIME')
local micros = clock[1] * 1000000 + clock[2]
local now = math.floor(micros / 1000)

local function lives(lease)
  local score = redis.call('ZSCORE', alive_key, string.match(lease, '^%d+ (.+)$'))
  return score and tonumber(score) >= now
end

if worker ~= '' then
  for name, lease in pairs(orders.drop) do
    if redis.call('HGET', leases_key, name) == lease then redis.call('HDEL', leases_key, name) end
  end
  -- A lapsed lease that nobody took is still good, and so is one that Redis forgot.
  for name, lease in pairs(orders.keep) do
    local found = redis.call('HGET', leases_key, name)
    if found ~= lease and not (found and lives(found)) then redis.call('HSET', leases_key, name, lease) end
  end
  for _, name in ipairs(orders.take) do
    local found = redis.call('HGET', leases_key, name)
    if not (found and lives(found)) then
      -- Fencing numbers grow even if Redis forgot the last one.
      local fence = math.max(micros, tonumber(redis.call('GET', counter_key) or '0') + 1)
      redis.call('SET', counter_key, string.format('%.0f', fence))
      redis.call('HSET', leases_key, name, string.format('%.0f %s', fence, worker))
    end
  end
  redis.call('ZADD', alive_key, now + lifetime, worker)
  redis.call('ZREMRANGEBYSCORE', alive_key, '-inf', now - 3600000)
end

redis.call('SET', birth_key, string.format('%.0f', micros), 'NX')
local living, versions = redis.call('ZRANGEBYSCORE', alive_key, now, '+inf'), {}
for index, name in ipairs(living) do versions[index] = redis.call('HGET', states_prefix .. name, '') or '' end
local leases, kept = redis.call('HGETALL', leases_key), {}
for index = 1, #leases, 2 do
  if lives(leases[index + 1]) then
    kept[#kept + 1] = leases[index]
    kept[#kept + 1] = leases[index + 1]
  elseif not redis.call('ZSCORE', alive_key, string.match(leases[index + 1], '^%d+ (.+)$')) then
    redis.call('HDEL', leases_key, leases[index])
  end
end
return {redis.call('GET', birth_key), living, versions, kept}
"""


@dataclass(frozen=True, slots=True)
class View:
    """What the script saw.

    Attributes:
        birth: tells one life of Redis's data from another.
        workers: the living workers, with the version of the states each has told.
        leases: by name, as "<fencing number> <worker>"; of living workers only.
    """

    birth: str
    workers: dict[str, str]
    leases: dict[str, str]

    @classmethod
    def of(cls, reply: Any) -> View:
        """Read the script's reply."""
        birth, living, versions, kept = reply
        workers = dict(zip((name.decode() for name in living), (value.decode() for value in versions), strict=True))
        words = [word.decode() for word in kept]
        return cls(birth.decode(), workers, dict(zip(words[::2], words[1::2], strict=True)))
