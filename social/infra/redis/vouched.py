"""Values that each process remembers for as long as a token in Redis vouches for them.

A reader takes the token before it reads from the store, and remembers the value under it. A writer deletes the token
after its commit: from then on no process answers with a value that was read before, and a read that was under way
remembers its value under a token that is gone. A token lives ten seconds, so that a writer that does not reach Redis
is seen after that at the latest. Without Redis every value is read.
"""

import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Generic, NamedTuple, TypeVar, cast

from social.infra.redis.redis import BestEffortRedis, Redis

V = TypeVar("V")

TOKEN_LIVES_S = 10
AGAIN_S = 60.0  # a value that was not read for so long is not worth the two round trips that remembering it costs
READ_S = 0.05  # a hung Redis delays a reader by so long
MOST = 2_000  # values, of up to about 10 kB
FORGET_S = 1.0  # a writer waits longer for Redis than a reader, who can read from the store


class _Kept(NamedTuple, Generic[V]):
    read_at: float  # by the monotonic clock
    kind: object = None
    token: bytes | None = None
    value: V | None = None


class Vouched(Generic[V]):
    """Remembered values by key; of several kinds of a value, the one that was read last is remembered."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._name = name
        self._readers = BestEffortRedis(redis, f"{name} are read each time", READ_S)
        self._writers = BestEffortRedis(redis, f"others may see {name} of {TOKEN_LIVES_S} s ago", FORGET_S)
        self._kept: dict[str, _Kept[V]] = {}

    async def get(self, key: str, kind: object, read: Callable[[], Awaitable[V]]) -> V:
        """Return the value that `read` returns, or has returned and nobody has changed; callers must not change it."""
        kept, now = self._kept.get(key), time.monotonic()
        if kept is None or kept.read_at < now - AGAIN_S:
            self._keep(key, _Kept(now))
            return await read()
        token = await self._readers.ask(lambda redis: redis.get(self._token(key)))
        if token is not None and (token, kind) == (kept.token, kept.kind):
            self._keep(key, kept._replace(read_at=now))
            return cast(V, kept.value)
        if token is None:
            token = await self._new_token(key)
        value = await read()
        if token is not None:
            self._keep(key, _Kept(now, kind, token, value))
        return value

    async def forget(self, keys: Collection[str]) -> None:
        """Make all processes read the values of these keys anew; call it after the commit that changed them."""
        if not keys:
            return
        for key in keys:
            if kept := self._kept.get(key):
                self._kept[key] = _Kept(kept.read_at)  # this process needs no Redis for it
        names = [self._token(key) for key in keys]
        await self._writers.ask(lambda redis: redis.delete(*names))

    async def _new_token(self, key: str) -> bytes | None:
        """Make a token that vouches from now on; None where another reader was faster, or Redis is away."""
        token = secrets.token_bytes(8)
        made = await self._readers.ask(lambda redis: redis.set(self._token(key), token, nx=True, ex=TOKEN_LIVES_S))
        return token if made else None

    def _token(self, key: str) -> str:
        return f"{self._name}:{key}"

    def _keep(self, key: str, kept: _Kept[V]) -> None:
        self._kept.pop(key, None)
        self._kept[key] = kept  # at the end: the value that was read longest ago makes room
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
