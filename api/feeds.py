"""Home timelines."""

from api.http import Cursor, Limit, Request
from api.routing import Service
from social import feeds
from social.contracts.posts import Posts

service = Service("feeds", "Home timelines")


@service.get("/v1/feed")
async def get_feed(request: Request, cursor: Cursor = None, limit: Limit = 20) -> Posts:
    """Your home timeline: your posts and those of the people you follow, newest first."""
    return await feeds.page(request.social, owner=request.user_id, cursor=cursor, limit=limit)
