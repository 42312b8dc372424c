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
    Where nearly all is hidden a page may be short, or empty: `next` leads on while there is one, and `prev` while it
    is another than before.
    """
    return await feeds.page(request.social, owner=request.user_id, cursor=cursor, limit=limit)
