"""Likes on posts and comments."""

from api.request import Cursor, Limit, Request
from api.routing import Service
from social.contracts.base import Id
from social.contracts.comments import CommentLikeState
from social.contracts.people import People
from social.contracts.posts import LikeState
from social.contracts.problems import NotFound
from social.posts import likes

service = Service("likes", "Likes on posts and comments")


@service.put("/v1/posts/{post_id}/like", raises=(NotFound,))
async def like_post(request: Request, post_id: Id) -> LikeState:
    """Like a post; a second like changes nothing."""
    return await request.plaza.commit(likes.like, post_id, by=request.user_id)


@service.delete("/v1/posts/{post_id}/like", raises=(NotFound,))
async def unlike_post(request: Request, post_id: Id) -> LikeState:
    """Take your like back; also from a post that you can no longer see."""
    return await request.plaza.commit(likes.unlike, post_id, by=request.user_id)


@service.get("/v1/posts/{post_id}/likes", raises=(NotFound,))
async def get_likes_of_post(request: Request, post_id: Id, cursor: Cursor = None, limit: Limit = 20) -> People:
    """List the people who like a post, the newest like first."""
    return await likes.of_post(request.plaza.mongo, post_id, viewer=request.user_id, cursor=cursor, limit=limit)


@service.put("/v1/comments/{comment_id}/like", raises=(NotFound,))
async def like_comment(request: Request, comment_id: Id) -> CommentLikeState:
    """Like a comment; a second like changes nothing."""
    return await request.plaza.commit(likes.like_comment, comment_id, by=request.user_id)


@service.delete("/v1/comments/{comment_id}/like", raises=(NotFound,))
async def unlike_comment(request: Request, comment_id: Id) -> CommentLikeState:
    """Take your like back; also from a comment that you can no longer see."""
    return await request.plaza.commit(likes.unlike_comment, comment_id, by=request.user_id)


@service.get("/v1/comments/{comment_id}/likes", raises=(NotFound,))
async def get_likes_of_comment(request: Request, comment_id: Id, cursor: Cursor = None, limit: Limit = 20) -> People:
    """List the people who like a comment, the newest like first."""
    return await likes.of_comment(request.plaza.mongo, comment_id, viewer=request.user_id, cursor=cursor, limit=limit)
