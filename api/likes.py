"""Likes on posts."""

from api.http import Request
from api.routing import Service
from social import likes
from social.contracts.base import Id
from social.contracts.posts import LikeState
from social.contracts.problems import NotFound

service = Service("likes", "Likes on posts")


@service.put("/v1/posts/{post_id}/like", raises=(NotFound,))
async def like_post(request: Request, post_id: Id) -> LikeState:
    """Like a post; a second like changes nothing."""
    return await request.social.commit(likes.like, post_id, by=request.user_id)


@service.delete("/v1/posts/{post_id}/like", raises=(NotFound,))
async def unlike_post(request: Request, post_id: Id) -> LikeState:
    """Take your like back."""
    return await request.social.commit(likes.unlike, post_id, by=request.user_id)
