"""Cards of people (name, picture) that other processes changed: this process drops its copies at once."""

import asyncio
import contextlib

from social.contracts.codec import decode
from social.contracts.pushes import CONTROL_CHANNEL
from social.infra.observe import logs
from social.infra.redis.redis import AWAY, Redis, listen
from social.infra.store.ttl_cache import TtlCache

log = logs.get("cards")

RETRY_S = 1.0


async def watch_cards(redis: Redis, memory: TtlCache) -> None:
    """Drop cached cards that Redis reports as changed, as long as the process lives; without it they live 2 s."""
    while True:
        try:
            async with contextlib.aclosing(listen(redis, CONTROL_CHANNEL)) as messages:
                async for message in messages:
                    forget_named(message, memory)
        except AWAY as error:
            log.debug("changes of cards are not heard", error=str(error) or type(error).__name__)
        await asyncio.sleep(RETRY_S)


def forget_named(said: bytes, memory: TtlCache) -> None:
    """Drop the cards that a message on the control channel names."""
    try:
        match decode(said):
            case {"cards": list(keys)}:
                memory.forget(each for each in keys if isinstance(each, str))
    except ValueError as error:
        log.warning("not a word of ours", error=str(error))
