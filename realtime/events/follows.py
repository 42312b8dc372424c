"""Following over the socket."""

from realtime.dispatch import on, once
from realtime.sockets import Session
from social.contracts.messages import FollowUser, UnfollowUser
from social.contracts.people import FollowState
from social.people import follows


@on("user.follow")
async def follow_user(session: Session, message: FollowUser) -> FollowState:
    """Follow somebody; a second follow changes nothing."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, follows.follow, message.username, by=session.user_id)


@on("user.unfollow")
async def unfollow_user(session: Session, message: UnfollowUser) -> FollowState:
    """Stop following somebody."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, follows.unfollow, message.username, by=session.user_id)
