"""Comments over the socket."""

from realtime.dispatch import on, once
from realtime.session import Session
from social import comments
from social.contracts.posts import Comment
from social.contracts.pushes import CreateComment


@on("comment.create")
async def create_comment(session: Session, message: CreateComment) -> Comment:
    """Comment on a post."""
    key = once(session, message.idempotency_key)
    return await session.social.commit_once(key, comments.add, message.post_id, message.text, by=session.user_id)
