"""The arithmetic of `core.limits` in Lua, as Redis and Valkey run it: one script, one atomic step.

Counters are hashes: `o` opened, `u` used, `b` birth (see `core.limits.Level`). All keys of one call
belong to one account and share its hash tag, so that a Redis Cluster keeps them in one slot. Times
are microseconds of the server's own clock (`TIME`), which all gateways share; a first argument
other than 0 takes its place. https://redis.io/docs/latest/develop/programmability/eval-intro/

Every number stays below 2^53 and so is exact in Lua's doubles.
"""

from __future__ import annotations

from hashlib import sha1
from typing import NamedTuple


class Script(NamedTuple):
    """A script's text and the SHA-1 that EVALSHA calls it by."""

    text: str
    sha: str


def _script(text: str) -> Script:
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


_NOW = """
local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
"""

_LEVEL = """
local function level(key)
  local found = redis.call('HMGET', key, 'o', 'u', 'b')
  return tonumber(found[1]) or 0, tonumber(found[2]) or 0, tonumber(found[3]) or 0
end
"""

# The expiry only clears away: long enough after the end that nothing is missed, and a calendar
# counter is kept for the next period, which then knows that nothing was spent before it.
_KEEP = """
local function keep(key, begins, opened, used, birth)
  if begins == 0 then
    redis.call('HSET', key, 'o', opened, 'u', used)
    redis.call('PEXPIRE', key, 61000)
  else
    redis.call('HSET', key, 'o', opened, 'u', used, 'b', birth)
    redis.call('PEXPIRE', key, 32 * 86400000)
  end
end
"""

# Days and months are told by the gateways. Of two that differ, the one is right that agrees with
# the server's clock: should that be wrong, it agrees with neither, and the later one counts.
_TURNS = """
local function turns(begins, opened)
  local soon = now + 3600000000
  if begins > opened then return opened == 0 or begins <= soon or opened > soon end
  return begins < opened and begins <= soon and opened > soon
end
"""

DRAW = _script(
    _NOW
    + _LEVEL
    + _KEEP
    + _TURNS
    + """
local look, refused, levels, answer = ARGV[2] == '1', 0, {}, {}
for i, key in ipairs(KEYS) do
  local at = i * 3
  local begins, limit, amount = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local opened, used, birth = level(key)
  local before = opened
  if begins == 0 then
    if now >= opened + 60000000 then
      opened, used = now, 0
    elseif now < opened then
      opened = now
    end
  elseif turns(begins, opened) then
    local known = opened > 0 and begins > opened and begins <= opened + 32 * 86400000000
    opened, used, birth = begins, 0, known and 0 or now
  end
  if amount > limit then amount = limit end
  if refused == 0 and not (used < limit and used + amount <= limit) then refused = i end
  levels[i] = {begins, opened, used, birth, amount, before}
end
answer[1], answer[2] = refused, now
for i, key in ipairs(KEYS) do
  local begins, opened, used, birth, amount, before = unpack(levels[i])
  if refused == 0 and not look then used = math.max(0, used + amount) end
  if not look then
    if opened ~= before then
      keep(key, begins, opened, used, birth)
    elseif refused == 0 then
      redis.call('HSET', key, 'u', used)
    end
  end
  answer[i * 3], answer[i * 3 + 1], answer[i * 3 + 2] = opened, used, birth
end
return answer
"""
)
"""KEYS: the counters. ARGV: now or 0, 1 to take nothing, then `begins`, `limit`, `amount` of each.

Returns the place of the first counter without room (0: none, all is taken), the time, then
`opened`, `used`, `birth` of each.
"""

SETTLE = _script(
    """
for i, key in ipairs(KEYS) do
  local found = redis.call('HMGET', key, 'o', 'u')
  if found[1] and tonumber(found[1]) == tonumber(ARGV[i * 2 - 1]) then
    local used = math.max(0, tonumber(found[2]) + tonumber(ARGV[i * 2]))
    redis.call('HSET', key, 'u', math.min(used, 9007199254740991))
  end
end
return 0
"""
)
"""KEYS: the counters. ARGV: of each, when its period began and what to add to it."""

SEED = _script(
    _NOW
    + _LEVEL
    + _KEEP
    + _TURNS
    + """
local key, begins, amount = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local opened, used, birth = level(key)
if opened ~= begins and not turns(begins, opened) then return 0 end
if opened == begins and birth == 0 then
  if ARGV[4] == '0' or used >= amount then return 0 end
  used = 0
end
if opened ~= begins then used = 0 end
keep(key, begins, begins, math.min(used + amount, 9007199254740991), 0)
return 1
"""
)
"""KEYS: one calendar counter. ARGV: now or 0, where its period begins, what was spent before its
birth, 1 where one that knows that already is to have counted at least so much.
"""

RESTORE = _script(
    _NOW
    + """
local key, began, known = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local calendar, mark = ARGV[4] == '1', ARGV[5]
if not calendar and now >= began + 60000000 then return 0 end
local found = redis.call('HMGET', key, 'o', 'u', 's', 'so', 'sm', 'b')
local opened, used = tonumber(found[1]) or 0, tonumber(found[2]) or 0
local told = found[5] == mark and tonumber(found[4]) == began and tonumber(found[3]) or nil
if opened == began then
  told = told or (tonumber(found[6]) or 0) == 0 and used or 0
  used, known = used + math.max(0, known - told), math.max(known, told)
elseif calendar and opened > began then
  return 0
elseif calendar or now >= opened + 60000000 then
  used = known
elseif opened > began then
  used = used + known
else
  return 0
end
used = math.min(used, 9007199254740991)
redis.call('HSET', key, 'o', began, 'u', used, 's', known, 'so', began, 'sm', mark)
if calendar then redis.call('HSET', key, 'b', 0) end
redis.call('PEXPIRE', key, calendar and 32 * 86400000 or 61000)
return 1
"""
)
"""KEYS: a counter. ARGV: now or 0, when its period began and how much of it was used, as it was
last heard, 1 for a calendar counter, and the server's mark.

For a server that has lost it: what was counted since is added to the most that any process knows of
before (`s`, of the period that began at `so`, told under the mark `sm`). One that was kept, but not
to its last, as by a replica or a dump, is brought up to that in the same way. A calendar counter
need not be told what was spent before its birth then.
"""

# A server without memory refuses what adds, unless the script has written before. So that comes
# first: such a server is found out by the beat, and is not taken to be back while it is full.
BEAT = _script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[2]))
local since = redis.call('HMGET', KEYS[2], 's')[1]
if not since then
  since = ARGV[1] .. ' ' .. now
  redis.call('HSET', KEYS[2], 's', since)
end
redis.call('PEXPIRE', KEYS[2], 120000)
local names = redis.call('ZRANGE', KEYS[1], 0, -1)
table.sort(names)
local said = redis.pcall('INFO', 'server')
local run = type(said) == 'string' and string.match(said, 'run_id:(%x+)') or ''
for i, name in ipairs(names) do
  if name == ARGV[1] then return {i - 1, #names, since .. ' ' .. run} end
end
"""
)
"""KEYS: the set of processes, and beside it a mark. ARGV: this one's name, milliseconds after which
a silent one is gone.

Returns this process's place among all of them, counted from 0, how many they are, and the mark. It
is kept for longer than a window: another one tells that the server has lost what it had counted, or
is another process, which may have lost the last of it (unless the user may not ask for `INFO`).
"""

LEAVE = _script("return redis.call('ZREM', KEYS[1], ARGV[1])")
"""KEYS: the set of processes. ARGV: the name of the one that ends."""

SCRIPTS = (DRAW, SETTLE, SEED, RESTORE, BEAT, LEAVE)
"""Every script."""
