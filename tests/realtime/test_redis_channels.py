"""A channel of Redis counts as listened to from the confirmation of its last request; no server takes part."""

from unittest.mock import AsyncMock

from realtime.redis_channels import RedisChannels

CHANNEL = "room:post:x"


async def test_a_channel_counts_with_the_confirmation_of_its_last_request() -> None:
    channels, ask = RedisChannels(AsyncMock(), linger_s=0, beat_s=1, silence_s=1), AsyncMock()
    for _ in ("subscribe", "unsubscribe", "subscribe"):
        await channels._request(ask, [CHANNEL])
    listens = []
    for _ in range(3):
        channels._confirm(CHANNEL)
        listens.append(channels.listens("post:x"))
    assert listens == [False, False, True]
