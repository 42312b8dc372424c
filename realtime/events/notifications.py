"""Notifications over the socket: reading them, and what was missed of them."""

from realtime.dispatch import on
from realtime.sockets import Socket
from social.contracts.messages import ReadNotifications, Sync, SyncAnswer
from social.contracts.notifications import Unread
from social.notifications import reading, replay


@on("notifications.read")
async def read_notifications(socket: Socket, message: ReadNotifications) -> Unread:
    """Mark as read, here and on one's other devices."""
    await reading.read(socket.plaza, message, by=socket.user_id)
    return await reading.unread(socket.plaza.mongo, socket.user_id)


@on("sync")
async def sync(socket: Socket, message: Sync) -> SyncAnswer:
    """What the stream holds after an offset, for clients without connection state recovery."""
    return await replay.sync(socket.plaza.mongo, socket.user_id, message.after)
