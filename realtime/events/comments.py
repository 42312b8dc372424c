"""Comments over the socket, and likes of them."""

from realtime.dispatch import on, once
from realtime.sockets import Session
from social.contracts.comments import Comment, CommentLikeState
from social.contracts.messages import CreateComment, DeleteComment, EditComment, LikeComment, UnlikeComment
from social.infra.store.revisions import Expected
from social.posts import comments, likes


@on("comment.create")
async def create_comment(session: Session, message: CreateComment) -> Comment:
    """Comment on a post, or answer a comment."""
    key, parent_id = once(session, message.idempotency_key), message.parent_id
    return await session.social.commit_once(
        key, comments.add, message.post_id, message.text, by=session.user_id, parent_id=parent_id
    )


@on("comment.edit")
async def edit_comment(session: Session, message: EditComment) -> Comment:
    """Change what a comment says."""
    key, expected = once(session, message.idempotency_key), Expected.of(message.comment_id, message.rev)
    return await session.social.commit_once(
        key, comments.edit, message.comment_id, message.text, by=session.user_id, expected=expected
    )


@on("comment.delete")
async def delete_comment(session: Session, message: DeleteComment) -> None:
    """Delete a comment, with its replies."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, comments.delete, message.comment_id, by=session.user_id)


@on("comment.like")
async def like_comment(session: Session, message: LikeComment) -> CommentLikeState:
    """Like a comment; a second like changes nothing."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, likes.like_comment, message.comment_id, by=session.user_id)


@on("comment.unlike")
async def unlike_comment(session: Session, message: UnlikeComment) -> CommentLikeState:
    """Take a like of a comment back."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, likes.unlike_comment, message.comment_id, by=session.user_id)
