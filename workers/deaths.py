"""Messages that end the process that handles them, such as by the memory they take: noted in Redis before each try.

After a death its messages are delivered again, and the first of them is handled alone. It was there when the process
died; the note stays in Redis if the next process dies as well.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from social.contracts.events import Group
from social.infra.broker.broker import Delivery
from social.infra.redis.redis import BestEffortRedis, Redis

MOST_DEATHS = 3  # of processes that handled the message alone; a process is seldom killed by chance in such a moment
KEPT_S = 24 * 3_600


@asynccontextmanager
async def handling_alone(redis: Redis, group: Group, delivery: Delivery) -> AsyncIterator[int]:
    """Note that a redelivered message is handled alone; yield how many processes died while they did so.

    Without Redis it is 0.
    """
    shared = BestEffortRedis(redis, "deaths of workers are not counted")
    name = f"deaths:{group}:{hashlib.sha256(delivery.raw()).hexdigest()[:32]}"

    async def begin(redis: Redis) -> int:
        begun = int(await redis.incr(name))
        await redis.expire(name, KEPT_S)
        return begun

    begun = await shared.ask(begin)
    try:
        yield (begun or 1) - 1
    finally:
        await shared.ask(lambda redis: redis.delete(name))
