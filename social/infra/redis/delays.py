"""Delays after failed attempts: a few are free, then each doubles the wait before the next one, up to a bound."""

import hashlib
import math
import time
from collections import OrderedDict
from typing import NamedTuple

from social.contracts.problems import RateLimited
from social.infra.redis.redis import BestEffortRedis, Redis

FREE = 9
FIRST_S = 1
LONGEST_S = 300  # a guesser gets 288 tries a day; the owner of the account waits five minutes, or resets the password
FORGET_S = 3_600
MOST_NAMES = 50_000  # kept in this process; Redis keeps all

# An attempt counts as failed until it succeeds, so that many at once are not all free. Returned, in milliseconds: how
# long it has to wait (0: it may be made), and how long the next one will; between them, how many failed.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local free, first, longest, forget = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local state = redis.call('HMGET', KEYS[1], 'failed', 'until')
local failed, till = tonumber(state[1] or '0'), tonumber(state[2] or '0')
local function after(times)
  if times <= free then return 0 end
  return math.min(longest, first * 2 ^ math.min(times - free - 1, 30))
end
if till > now + after(failed) then -- it was written before the clock was set back
  till = now + after(failed)
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', till))
end
if till > now then return {till - now, failed, till - now} end
failed = failed + 1
local delay = after(failed)
redis.call('HSET', KEYS[1], 'failed', failed, 'until', string.format('%.0f', now + delay))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', forget + delay))
return {0, failed, delay}
"""
UNDO = """
local failed = tonumber(redis.call('HGET', KEYS[1], 'failed') or '0')
if failed > 0 then redis.call('HSET', KEYS[1], 'failed', failed - 1, 'until', '0') end
return 0
"""


class _Failed(NamedTuple):
    times: int
    until: float
    forget_at: float


class Delays:
    """Failed attempts by name, whether or not it exists; shared through Redis, per process while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = BestEffortRedis(redis, "each process delays by itself")
        self._failed: OrderedDict[str, _Failed] = OrderedDict()  # attempts made here; the longest unused first

    async def attempt(self, name: str) -> None:
        """Count an attempt, which is failed until `succeeded`; raises RateLimited before its time has come."""
        key = _key(name)
        times = (FREE, FIRST_S * 1000, LONGEST_S * 1000, FORGET_S * 1000)
        answer = await self._redis.ask(lambda redis: redis.eval(SCRIPT, 1, key, *map(str, times)))
        if answer is None:
            wait_s = self._attempt_here(key)
        else:  # kept here too, for when Redis goes away
            wait_ms, times, next_ms = answer
            self._remember(key, times, next_ms / 1000)
            wait_s = wait_ms / 1000
        if wait_s > 0:
            raise RateLimited("Too many failed attempts", retry_after_s=math.ceil(wait_s))

    async def succeeded(self, name: str) -> None:
        """Forget the failed attempts of a name."""
        self._failed.pop(_key(name), None)
        await self._redis.ask(lambda redis: redis.delete(_key(name)))

    async def undo(self, name: str) -> None:
        """Take back an attempt that was not made after all."""
        key = _key(name)
        if failed := self._failed.get(key):
            self._failed[key] = failed._replace(times=failed.times - 1, until=0.0)
        await self._redis.ask(lambda redis: redis.eval(UNDO, 1, key))

    def _attempt_here(self, key: str) -> float:
        now = time.monotonic()
        failed = self._failed.get(key)
        if failed is None or failed.forget_at <= now:
            failed = _Failed(0, 0.0, 0.0)
        if failed.until > now:
            return failed.until - now
        times = failed.times + 1
        self._remember(key, times, min(LONGEST_S, FIRST_S * 2 ** min(times - FREE - 1, 30)) if times > FREE else 0.0)
        return 0.0

    def _remember(self, key: str, times: int, next_s: float) -> None:
        now = time.monotonic()
        self._failed[key] = _Failed(times, now + next_s, now + next_s + FORGET_S)
        self._failed.move_to_end(key)
        if len(self._failed) > MOST_NAMES:
            self._failed.popitem(last=False)


def _key(name: str) -> str:
    return "delay:" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
