"""Cards of people that other processes changed: what this process remembers of them is forgotten at once."""

import asyncio
import contextlib

from social.contracts.codec import decode
from social.contracts.pushes import CONTROL_CHANNEL
from social.infra.observe import logs
from social.infra.redis.redis import AWAY, Redis, listening
from social.infra.store.ttl_cache import TtlCache

log = logs.get("cards")

RETRY_S = 1.0


async def watch_cards(redis: Redis, memory: TtlCache) -> None:
    """Forget what Redis says has changed, as long as the process lives; without Redis nothing is kept for over 2 s."""
    while True:
        pubsub = listening(redis)
        try:
            await pubsub.subscribe(CONTROL_CHANNEL)
            while True:
                message = await pubsub.get_message(timeout=None)
                if message is not None and message["type"] == "message":
                    heard(message["data"], memory)
        except AWAY as error:
            log.debug("changes of cards are not heard", error=str(error) or type(error).__name__)
        finally:
            with contextlib.suppress(*AWAY):
                async with asyncio.timeout(RETRY_S):
                    await pubsub.aclose()
        await asyncio.sleep(RETRY_S)


def heard(said: bytes, memory: TtlCache) -> None:
    """Forget the cards that a word on the control channel is about."""
    try:
        match decode(said):
            case {"cards": list(keys)}:
                memory.forget(each for each in keys if isinstance(each, str))
    except ValueError as error:
        log.warning("not a word of ours", error=str(error))
