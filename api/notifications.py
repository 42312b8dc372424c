"""What you are told about."""

from typing import Annotated

from pydantic import Field

from api.http import Cursor, Limit, Request
from api.routing import Service
from social.contracts.messages import SyncAnswer
from social.contracts.notifications import EditPreferences, Notifications, Preferences, Read, Unread
from social.notifications import preferences, reading, replay

service = Service("notifications", "What you are told about")


@service.get("/v1/notifications")
async def get_notifications(request: Request, cursor: Cursor = None, limit: Limit = 20) -> Notifications:
    """Your notifications, last changed first, with the stream offset they correspond to."""
    return await reading.page(request.plaza.mongo, recipient=request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/notifications/unread-count")
async def get_unread_count(request: Request) -> Unread:
    """How many notifications are unread."""
    return await reading.unread(request.plaza.mongo, request.user_id)


@service.post("/v1/notifications/read")
async def read_notifications(request: Request, body: Read) -> Unread:
    """Mark as read: some ids, or everything up to a time. Your other devices hear of it."""
    return await reading.read(request.plaza, body, by=request.user_id)


@service.get("/v1/notifications/preferences")
async def get_notification_preferences(request: Request) -> Preferences:
    """Which types of notifications you are told of."""
    return await preferences.get(request.plaza.mongo, request.user_id)


@service.patch("/v1/notifications/preferences")
async def edit_notification_preferences(request: Request, body: EditPreferences) -> Preferences:
    """Choose which types you are told of from now on; what you were told before stays.

    A JSON merge patch (RFC 7396): what is absent stays, null is as it was when the account was new.
    """
    return await request.plaza.commit(preferences.edit, body, by=request.user_id)


@service.get("/v1/sync")
async def sync(request: Request, after: Annotated[str, Field(max_length=40)]) -> SyncAnswer:
    """What your stream holds after an offset, for clients without connection state recovery."""
    return await replay.sync(request.plaza.mongo, request.user_id, after)
