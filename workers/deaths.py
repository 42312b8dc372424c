"""Messages that end the process that handles them, such as by the memory they take: noted in Redis before each try.

After a death its messages are delivered again, and the first of them is handled alone. It was there when the process
died; the note stays in Redis if the next process dies as well. Another group may have been at work in that moment, so
a message that already has such a note is handled while nothing else is: a further death is its own.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from social.contracts.events import Group
from social.infra.broker.broker import Delivery
from social.infra.redis.redis import BestEffortRedis, Redis

MOST_DEATHS = 3  # of processes that handled the message alone; a process is seldom killed by chance in such a moment
KEPT_S = 24 * 3_600


class Turns:
    """Turns of the consumers of a worker process: batches of several groups go on together, a suspect goes on alone."""

    def __init__(self) -> None:
        self._begins = asyncio.Lock()  # who waits for it begins in that order
        self._going_on = 0
        self._none_goes_on = asyncio.Event()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Go on beside others, but wait while one goes on alone."""
        async with self._begins:
            self._going_on += 1
        try:
            yield
        finally:
            self._going_on -= 1
            if not self._going_on:
                self._none_goes_on.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Wait until what goes on has ended, and let nothing else begin."""
        async with self._begins:
            while self._going_on:
                self._none_goes_on.clear()
                await self._none_goes_on.wait()
            yield


@asynccontextmanager
async def handling_alone(redis: Redis, turns: Turns, group: Group, delivery: Delivery) -> AsyncIterator[int]:
    """Note that a redelivered message is handled alone; yield how many processes died while they did so.

    Without Redis it is 0.
    """
    shared = BestEffortRedis(redis, "deaths of workers are not counted")
    name = f"deaths:{group}:{hashlib.sha256(delivery.raw()).hexdigest()[:32]}"

    async def begin(redis: Redis) -> int:
        begun = int(await redis.incr(name))
        await redis.expire(name, KEPT_S)
        return begun

    suspect = await shared.ask(lambda redis: redis.get(name))
    async with turns.alone() if suspect else turns.together():
        begun = await shared.ask(begin)
        try:
            yield (begun or 1) - 1
        finally:
            await shared.ask(lambda redis: redis.delete(name))
