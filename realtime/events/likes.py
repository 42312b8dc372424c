"""Likes over the socket."""

from realtime.dispatch import on, once
from realtime.sockets import Session
from social.contracts.messages import LikePost, UnlikePost
from social.contracts.posts import LikeState
from social.posts import likes


@on("post.like")
async def like_post(session: Session, message: LikePost) -> LikeState:
    """Like a post; a second like changes nothing."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, likes.like, message.post_id, by=session.user_id)


@on("post.unlike")
async def unlike_post(session: Session, message: UnlikePost) -> LikeState:
    """Take a like back."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, likes.unlike, message.post_id, by=session.user_id)
