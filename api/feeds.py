"""Home timelines."""

from api.request import Cursor, Limit, Request
from api.routing import Service
from social import feeds
from social.contracts.posts import Feed

service = Service("feeds", "Home timelines")


@service.get("/v1/feed")
async def get_feed(request: Request, cursor: Cursor = None, limit: Limit = 20) -> Feed:
    """List your home timeline: your posts, and the posts and reposts of people you follow, newest first.

    `prev` leads to newer posts, and to posts that came in late: put each post where its `place` says.
    Posts that you may not see make no page shorter: where `next` is null, there are no more posts for you.
    """
    return await feeds.page(request.plaza, owner=request.user_id, cursor=cursor, limit=limit)
