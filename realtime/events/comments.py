"""Comments over the socket, and likes of them."""

from realtime.dispatch import EventContext, idempotency_key, on
from realtime.sockets import Socket
from social.contracts.comments import Comment, CommentLikeState
from social.contracts.messages import CreateComment, DeleteComment, EditComment, LikeComment, UnlikeComment
from social.infra.store.revisions import Expected
from social.posts import comments, likes


@on("comment.create")
async def create_comment(context: EventContext, socket: Socket, message: CreateComment) -> Comment:
    """Comment on a post, or reply to a comment."""
    key, parent_id = idempotency_key(socket, message.idempotency_key), message.parent_id
    return await context.plaza.commit_idempotent(
        key, comments.add, message.post_id, message.text, by=socket.user_id, parent_id=parent_id
    )


@on("comment.edit")
async def edit_comment(context: EventContext, socket: Socket, message: EditComment) -> Comment:
    """Change the text of a comment."""
    key, expected = idempotency_key(socket, message.idempotency_key), Expected.of(message.comment_id, message.rev)
    return await context.plaza.commit_idempotent(
        key, comments.edit, message.comment_id, message.text, by=socket.user_id, expected=expected
    )


@on("comment.delete")
async def delete_comment(context: EventContext, socket: Socket, message: DeleteComment) -> None:
    """Delete a comment and its replies."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, comments.delete, message.comment_id, by=socket.user_id)


@on("comment.like")
async def like_comment(context: EventContext, socket: Socket, message: LikeComment) -> CommentLikeState:
    """Like a comment; a second like changes nothing."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, likes.like_comment, message.comment_id, by=socket.user_id)


@on("comment.unlike")
async def unlike_comment(context: EventContext, socket: Socket, message: UnlikeComment) -> CommentLikeState:
    """Take back a like of a comment."""
    key = idempotency_key(socket, message.idempotency_key)
    return await context.plaza.commit_idempotent(key, likes.unlike_comment, message.comment_id, by=socket.user_id)
