"""Notifications over the socket: reading them, and what was missed of them."""

from realtime.dispatch import on
from realtime.sockets import Session
from social.contracts.messages import ReadNotifications, Sync, SyncAnswer
from social.contracts.notifications import Unread
from social.notifications import reading, replay


@on("notifications.read")
async def read_notifications(session: Session, message: ReadNotifications) -> Unread:
    """Mark as read, here and on one's other devices."""
    await reading.read(session.social, message, by=session.user_id)
    return await reading.unread(session.social.mongo, session.user_id)


@on("sync")
async def sync(session: Session, message: Sync) -> SyncAnswer:
    """What the stream holds after an offset, for clients without connection state recovery."""
    return await replay.sync(session.social.mongo, session.user_id, message.after)
