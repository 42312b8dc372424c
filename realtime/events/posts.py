"""Posts over the socket."""

from realtime.dispatch import EventContext, idempotency_key, on
from realtime.sockets import Socket
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
async def watch_post(context: EventContext, socket: Socket, message: WatchPost) -> PostStats:
    """Follow the counts and comments of a post, live."""
    return await context.room_access.enter_post(socket, message.post_id)


@on("post.unwatch")
async def unwatch_post(context: EventContext, socket: Socket, message: UnwatchPost) -> None:
    """Stop following a post."""
    context.room_access.leave_post(socket, message.post_id)


@on("post.create")
async def create_post(context: EventContext, socket: Socket, message: CreatePost) -> Post:
    """Publish a post."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(
        key, publishing.publish, message.text, by=socket.user_id, visible_to=message.visibility, showing=message.media
    )


@on("post.edit")
async def edit_post(context: EventContext, socket: Socket, message: EditOnePost) -> Post:
    """Change the text of one's own post."""
    key, expected = idempotency_key(socket, message.idempotency_key), Expected.of(message.post_id, message.rev)
    return await context.plaza.commit_idempotent(
        key, edits.edit, message.post_id, message.text, by=socket.user_id, expected=expected
    )


@on("post.delete")
async def delete_post(context: EventContext, socket: Socket, message: DeletePost) -> None:
    """Delete one's own post."""
    key = idempotency_key(socket, message.idempotency_key)
    await context.plaza.commit_idempotent(key, publishing.delete, message.post_id, by=socket.user_id)


@on("post.repost")
async def repost_post(context: EventContext, socket: Socket, message: RepostPost) -> RepostState:
    """Show a post to one's own followers, as a repost."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, reposts.repost, message.post_id, by=socket.user_id)


@on("post.unrepost")
async def unrepost_post(context: EventContext, socket: Socket, message: UnrepostPost) -> RepostState:
    """Take back a repost."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, reposts.unrepost, message.post_id, by=socket.user_id)


@on("post.bookmark")
async def bookmark_post(context: EventContext, socket: Socket, message: BookmarkPost) -> BookmarkState:
    """Bookmark a post."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, bookmarks.bookmark, message.post_id, by=socket.user_id)


@on("post.unbookmark")
async def unbookmark_post(context: EventContext, socket: Socket, message: UnbookmarkPost) -> BookmarkState:
    """Remove the bookmark of a post."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, bookmarks.unbookmark, message.post_id, by=socket.user_id)
