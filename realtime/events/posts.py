"""Posts over the socket."""

from realtime.dispatch import on, once
from realtime.session import Session
from social import posts
from social.contracts.posts import Post, PostStats
from social.contracts.pushes import CreatePost, UnwatchPost, WatchPost


@on("post.watch")
async def watch_post(session: Session, message: WatchPost) -> PostStats:
    """Follow one post's counts and comments, live."""
    return await session.gateway.doors.enter_post(session, message.post_id)


@on("post.unwatch")
async def unwatch_post(session: Session, message: UnwatchPost) -> None:
    """Stop following a post."""
    session.gateway.doors.leave_post(session, message.post_id)


@on("post.create")
async def create_post(session: Session, message: CreatePost) -> Post:
    """Publish a post."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, posts.publish, message.text, by=session.user_id)
