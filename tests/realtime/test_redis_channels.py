"""A channel of Redis counts as listened to from the confirmation of its last request; no server takes part."""

from unittest.mock import AsyncMock

from realtime.redis_channels import RedisChannels
from realtime.redis_listener import Listener

CHANNEL = "room:post:x"


async def test_a_channel_counts_with_the_confirmation_of_its_last_request() -> None:
    channels, ask = RedisChannels(AsyncMock(), linger_s=0, beat_s=1, silence_s=1), AsyncMock()
    listener = channels._listening
    assert isinstance(listener, Listener)
    for _ in ("subscribe", "unsubscribe", "subscribe"):
        await listener._request(ask, AsyncMock(), [CHANNEL])
    listens = []
    for _ in range(3):
        listener.confirm(CHANNEL)
        listens.append(channels.listens("post:x"))
    assert listens == [False, False, True]
