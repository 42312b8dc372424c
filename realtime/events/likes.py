"""Likes over the socket."""

from realtime.dispatch import EventContext, idempotency_key, on
from realtime.sockets import Socket
from social.contracts.messages import LikePost, UnlikePost
from social.contracts.posts import LikeState
from social.posts import likes


@on("post.like")
async def like_post(context: EventContext, socket: Socket, message: LikePost) -> LikeState:
    """Like a post; a second like changes nothing."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, likes.like, message.post_id, by=socket.user_id)


@on("post.unlike")
async def unlike_post(context: EventContext, socket: Socket, message: UnlikePost) -> LikeState:
    """Take back a like."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, likes.unlike, message.post_id, by=socket.user_id)
