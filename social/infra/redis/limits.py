"""Rate limits (GCRA): each process decides at once, shares its counts through Redis, and works without Redis too."""

import asyncio
import math
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Network, ip_address
from itertools import chain
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from social.infra.breaker import Breaker
from social.infra.observe import logs
from social.infra.redis.cluster import ClusterRedis
from social.infra.redis.redis import AWAY, REST_S, Redis

log = logs.get("limits")

REPORT_EVERY_S = 0.05  # delay until processes know of each other's requests
ASK_S = 0.25  # longest wait for Redis of a request that must be counted exactly
REPORT_WITHIN_S = 1.0  # a report that takes longer is lost: the other processes do not count what it granted
MOST_KEYS = 50_000  # kept in this process, about 10 MB; Redis keeps all
MOST_REPORTED = 500  # keys in one call: others wait while Redis runs it
SHARES = 64  # of all keys on a cluster: the keys of a share are on one node, so that a script can have many of them

# A key holds the time, in microseconds of Redis' clock, at which everything taken is paid off. Arguments of each key:
# the cost of this request, the debt that may be reached, and the largest possible debt: a larger one was written
# before the clock was set back. Returned is the debt after the request, negative when it was refused.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local debts = {}
for place, key in ipairs(KEYS) do
  local cost, most, largest = tonumber(ARGV[3 * place - 2]), tonumber(ARGV[3 * place - 1]), tonumber(ARGV[3 * place])
  local paid_off = math.max(tonumber(redis.call('GET', key) or '0'), now)
  if paid_off > now + largest then paid_off = now end
  if paid_off + cost - now <= most then
    paid_off = paid_off + cost
    redis.call('SET', key, string.format('%.0f', paid_off), 'PX', math.ceil((paid_off - now) / 1000) + 1)
    debts[place] = paid_off - now
  else
    debts[place] = now - paid_off
  end
end
return debts
"""
UNBOUNDED = 2**50  # limit for requests that were granted here already: their cost is always added


class Rate(NamedTuple):
    """A quota of requests in a window of seconds: all at once if need be, then as they come back one by one."""

    quota: int
    window_s: int

    @property
    def cost_us(self) -> int:
        """Return the debt of a request in microseconds."""
        return max(1, self.window_s * 1_000_000 // self.quota)

    @property
    def most_us(self) -> int:
        """Return the largest debt that a client may have."""
        return self.cost_us * self.quota


def _rate(value: object) -> object:
    if isinstance(value, Rate):
        return value
    quota, _, window_s = value.partition("/") if isinstance(value, str) else ("", "", "")
    if not (quota.isdecimal() and window_s.isdecimal() and int(quota) and int(window_s)):
        raise ValueError("so many requests in so many seconds, e.g. 600/60")
    return Rate(int(quota), int(window_s))


Limit = Annotated[Rate, NoDecode, BeforeValidator(_rate)]  # a setting
PER_PERSON = Rate(1_200, 60)  # requests and messages, over REST and all sockets together, unless a setting changes it


@dataclass(frozen=True, slots=True)
class Decision:
    """A rate limit's decision on a request, with the quota that is left."""

    policy: str
    rate: Rate
    allowed: bool
    debt_us: int

    @property
    def remaining(self) -> int:
        """Return how many requests may be made now."""
        return max(0, (self.rate.most_us - self.debt_us) // self.rate.cost_us)

    @property
    def reset_s(self) -> int:
        """Return the seconds until the whole quota is back."""
        return math.ceil(self.debt_us / 1_000_000)

    @property
    def retry_after_s(self) -> int:
        """Return the seconds until another request is allowed."""
        return max(1, math.ceil((self.debt_us + self.rate.cost_us - self.rate.most_us) / 1_000_000))


class Limiter:
    """Counts requests by policy and by client.

    Each process decides by what it knows and reports what it granted to Redis every 50 ms in one call, whose answer is
    what all processes granted together: no request waits, and several processes exceed a limit for 50 ms at most.
    Requests that must be counted exactly (logins) ask Redis first. Without Redis each process limits by itself.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._paid_off: OrderedDict[str, int] = OrderedDict()  # by this process's clock; the longest unused first
        self._unreported: dict[str, int] = {}
        self._largest: dict[str, int] = {}  # the largest debt of each unreported key
        self._reporting: asyncio.Task[None] | None = None
        self._breaker = Breaker(REST_S)
        self._key = _shared_key if isinstance(redis, ClusterRedis) else _plain_key

    def take(self, policy: str, who: str, rate: Rate) -> Decision:
        """Decide on a request by what this process knows; Redis gets to know it soon."""
        key = self._key(policy, who)
        verdict = self._decide(policy, key, rate)
        if verdict.allowed:
            self._unreported[key] = self._unreported.get(key, 0) + rate.cost_us
            self._largest[key] = _largest(rate)
            if self._reporting is None or self._reporting.done():
                self._reporting = asyncio.create_task(self._keep_reporting(), name="limits")
        return verdict

    async def take_exactly(self, policy: str, who: str, rate: Rate) -> Decision:
        """Decide on a request by what all processes granted, or by what this one knows while Redis is away."""
        key = self._key(policy, who)
        verdict = self._decide(policy, key, rate)
        if not verdict.allowed or self._breaker.is_open:
            return verdict
        try:
            async with asyncio.timeout(ASK_S):
                (debt,) = await self._run([key], [rate.cost_us, rate.most_us, _largest(rate)])
        except AWAY as error:
            self._rest(error)
            return verdict
        self._learn(key, abs(debt))
        return Decision(policy, rate, debt > 0, abs(debt))

    async def close(self) -> None:
        """Report the rest to Redis, if it answers."""
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.wait([self._reporting])
        await self._report()

    def _decide(self, policy: str, key: str, rate: Rate) -> Decision:
        now = _now_us()
        debt = max(self._paid_off.get(key, 0) - now, 0)
        allowed = debt + rate.cost_us <= rate.most_us
        if allowed:
            debt += rate.cost_us
            self._paid_off[key] = now + debt
            if len(self._paid_off) > MOST_KEYS:
                self._paid_off.popitem(last=False)
        self._paid_off.move_to_end(key)  # clients that are refused and keep trying are not forgotten
        return Decision(policy, rate, allowed, debt)

    def _learn(self, key: str, debt_us: int) -> None:
        """Raise the debt of a key to what all processes granted, which is at least what this one did."""
        if key in self._paid_off:
            self._paid_off[key] = max(self._paid_off[key], _now_us() + debt_us)

    async def _keep_reporting(self) -> None:
        """Report as long as there is something to report."""
        while self._unreported:
            await asyncio.sleep(max(REPORT_EVERY_S, self._breaker.left_s))
            await self._report()

    async def _report(self) -> None:
        reported, self._unreported = list(self._unreported.items()), {}
        largest, self._largest = self._largest, {}
        try:
            for at in range(0, len(reported), MOST_REPORTED):
                part = reported[at : at + MOST_REPORTED]
                keys = [key for key, _ in part]
                async with asyncio.timeout(REPORT_WITHIN_S):
                    asked = [each for key, cost in part for each in (cost, UNBOUNDED, largest[key])]
                    debts = await self._run(keys, asked)
                for key, debt in zip(keys, debts, strict=True):
                    self._learn(key, abs(debt) + self._unreported.get(key, 0))
        except AWAY as error:
            self._rest(error)

    async def _run(self, keys: list[str], arguments: list[int]) -> list[int]:
        if len(keys) > 1 and self._key is _shared_key:
            return await self._run_shares(keys, arguments)
        debts: Any = await self._redis.eval(SCRIPT, len(keys), *keys, *map(str, arguments))
        return [int(each) for each in debts]

    async def _run_shares(self, keys: list[str], arguments: list[int]) -> list[int]:
        """Run the script once for each share of the keys, on its node; all at once."""
        shares: dict[str, list[int]] = {}
        for place, key in enumerate(keys):
            shares.setdefault(key.partition("}")[0], []).append(place)
        async with self._redis.pipeline(transaction=False) as pipeline:
            for places in shares.values():
                asked = [str(each) for place in places for each in arguments[3 * place : 3 * place + 3]]
                pipeline.eval(SCRIPT, len(places), *(keys[place] for place in places), *asked)
            answers: list[list[int]] = await pipeline.execute()
        debts = dict(zip(chain.from_iterable(shares.values()), chain.from_iterable(answers), strict=True))
        return [int(debts[place]) for place in range(len(keys))]

    def _rest(self, error: Exception) -> None:
        self._breaker.trip()
        log.warning("redis away; each process limits by itself", error=str(error) or type(error).__name__)


@lru_cache(4_096)
def origin(ip: str) -> str:
    """Return the client that an address stands for: an IPv6 network of 64 bits is a single customer's."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    return str(IPv6Network((int(address) >> 64 << 64, 64))) if address.version == 6 else ip


def _plain_key(policy: str, who: str) -> str:
    return f"limit:{policy}:{who}"


def _shared_key(policy: str, who: str) -> str:
    return f"limit:{{{zlib.crc32(who.encode('utf-8', 'surrogatepass')) % SHARES}}}:{policy}:{who}"


def _largest(rate: Rate) -> int:
    """Return the largest debt: each of several processes may grant a quota before they know of each other."""
    return 4 * rate.most_us


def _now_us() -> int:
    return time.monotonic_ns() // 1_000
