"""Messages of likes as a broker delivers them, for tests of what a worker does with messages."""

from social.contracts.codec import encode
from social.contracts.envelope import Envelope
from social.contracts.events import PostLiked
from social.infra import clock
from social.infra.broker.broker import Delivery


class Like(Delivery):
    """A message of a like that notes when it is acked and when it is to be retried."""

    def __init__(self, event_id: str, *, by: str | None = None, redelivered: bool = False, attempt: int = 0) -> None:
        self.redelivered, self.attempt = redelivered, attempt
        event = PostLiked(post_id=clock.new_id(), author_id=clock.new_id(), by=by or clock.new_id())
        self.event = Envelope(
            id=event_id, type="PostLiked", v=1, key="x", at=clock.now(), trace=None, data=event.model_dump()
        )

    def envelope(self) -> Envelope:
        return self.event

    def raw(self) -> bytes:
        return encode(self.event)

    def note(self, what: str) -> None:
        """Note what is done with the message: `ack` or `retry`."""
        raise NotImplementedError

    async def ack(self, *others: Delivery) -> None:
        for each in (self, *others):
            assert isinstance(each, Like)
            each.note("ack")

    async def retry(self) -> None:
        self.note("retry")
