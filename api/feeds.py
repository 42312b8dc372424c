"""Home timelines."""

from api.http import Cursor, Limit, Request
from api.routing import Service
from social import feeds
from social.contracts.posts import Feed

service = Service("feeds", "Home timelines")


@service.get("/v1/feed")
async def get_feed(request: Request, cursor: Cursor = None, limit: Limit = 20) -> Feed:
    """Your home timeline: your posts, and what the people you follow post and repost, newest first.

    `prev` leads to what is newer, and to what came in late: put each post where its `place` says.
    What you may not see makes no page shorter: where `next` is null, there is nothing more for you.
    """
    return await feeds.page(request.plaza, owner=request.user_id, cursor=cursor, limit=limit)
