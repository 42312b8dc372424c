"""Posts over the socket."""

from realtime.dispatch import on, once
from realtime.sockets import Session
from social.contracts.messages import (
    BookmarkPost,
    CreatePost,
    DeletePost,
    EditOnePost,
    RepostPost,
    UnbookmarkPost,
    UnrepostPost,
    UnwatchPost,
    WatchPost,
)
from social.contracts.posts import BookmarkState, Post, PostStats, RepostState
from social.infra.store.revisions import Expected
from social.posts import bookmarks, edits, publishing, reposts


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
    return await session.social.commit_once(
        key, publishing.publish, message.text, by=session.user_id, visible_to=message.visibility, showing=message.media
    )


@on("post.edit")
async def edit_post(session: Session, message: EditOnePost) -> Post:
    """Have one's own post say something else."""
    key, expected = once(session, message.idempotency_key), Expected.of(message.post_id, message.rev)
    return await session.social.commit_once(
        key, edits.edit, message.post_id, message.text, by=session.user_id, expected=expected
    )


@on("post.delete")
async def delete_post(session: Session, message: DeletePost) -> None:
    """Delete one's own post."""
    key = once(session, message.idempotency_key)
    await session.social.commit_once(key, publishing.delete, message.post_id, by=session.user_id)


@on("post.repost")
async def repost_post(session: Session, message: RepostPost) -> RepostState:
    """Show a post to one's own followers."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, reposts.repost, message.post_id, by=session.user_id)


@on("post.unrepost")
async def unrepost_post(session: Session, message: UnrepostPost) -> RepostState:
    """Take a repost back."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, reposts.unrepost, message.post_id, by=session.user_id)


@on("post.bookmark")
async def bookmark_post(session: Session, message: BookmarkPost) -> BookmarkState:
    """Keep a post for oneself."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, bookmarks.bookmark, message.post_id, by=session.user_id)


@on("post.unbookmark")
async def unbookmark_post(session: Session, message: UnbookmarkPost) -> BookmarkState:
    """Keep it no longer."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, bookmarks.unbookmark, message.post_id, by=session.user_id)
