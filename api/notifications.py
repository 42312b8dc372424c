"""Notifications, their preferences, and the stream of a person."""

from typing import Annotated

from pydantic import Field

from api.request import Cursor, Limit, Request
from api.routing import Service
from social.contracts.messages import SyncAnswer
from social.contracts.notifications import EditPreferences, Notifications, Preferences, Read, Unread
from social.notifications import preferences, reading, replay

service = Service("notifications", "Notifications")


@service.get("/v1/notifications")
async def get_notifications(request: Request, cursor: Cursor = None, limit: Limit = 20) -> Notifications:
    """List your notifications, last changed first, with the stream offset that the list corresponds to."""
    return await reading.page(request.plaza.mongo, recipient=request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/notifications/unread-count")
async def get_unread_count(request: Request) -> Unread:
    """Count your unread notifications."""
    return await reading.unread(request.plaza.mongo, request.user_id)


@service.post("/v1/notifications/read")
async def read_notifications(request: Request, body: Read) -> Unread:
    """Mark notifications as read: by their ids, or all up to a time. Your other devices are updated."""
    return await reading.read(request.plaza, body, by=request.user_id)


@service.get("/v1/notifications/preferences")
async def get_notification_preferences(request: Request) -> Preferences:
    """Return which types of notifications you get."""
    return await preferences.get(request.plaza.mongo, request.user_id)


@service.patch("/v1/notifications/preferences")
async def edit_notification_preferences(request: Request, body: EditPreferences) -> Preferences:
    """Choose which types of notifications you get from now on; earlier notifications stay.

    A JSON merge patch (RFC 7396): absent types stay as they are, null restores the default.
    """
    return await request.plaza.commit(preferences.edit, body, by=request.user_id)


@service.get("/v1/sync")
async def sync(request: Request, after: Annotated[str, Field(max_length=40)]) -> SyncAnswer:
    """Return the items of your stream after an offset, for clients without connection state recovery."""
    return await replay.sync(request.plaza.mongo, request.user_id, after)
