"""Following over the socket."""

from realtime.dispatch import EventContext, idempotency_key, on
from realtime.sockets import Socket
from social.contracts.messages import FollowUser, UnfollowUser
from social.contracts.people import FollowState
from social.people import follows


@on("user.follow")
async def follow_user(context: EventContext, socket: Socket, message: FollowUser) -> FollowState:
    """Follow a person; a second follow changes nothing."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, follows.follow, message.username, by=socket.user_id)


@on("user.unfollow")
async def unfollow_user(context: EventContext, socket: Socket, message: UnfollowUser) -> FollowState:
    """Stop following a person."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, follows.unfollow, message.username, by=socket.user_id)
