"""Notifications over the socket: marking them as read, and reading those that were missed."""

from realtime.dispatch import EventContext, on
from realtime.sockets import Socket
from social.contracts.messages import ReadNotifications, Sync, SyncAnswer
from social.contracts.notifications import Unread
from social.notifications import reading, replay


@on("notifications.read")
async def read_notifications(context: EventContext, socket: Socket, message: ReadNotifications) -> Unread:
    """Mark notifications as read, here and on the person's other devices."""
    await reading.read(context.plaza, message, by=socket.user_id)
    return await reading.unread(context.plaza.mongo, socket.user_id)


@on("sync")
async def sync(context: EventContext, socket: Socket, message: Sync) -> SyncAnswer:
    """Return the stream's events after an offset, for clients without connection state recovery."""
    return await replay.sync(context.plaza.mongo, socket.user_id, message.after)
