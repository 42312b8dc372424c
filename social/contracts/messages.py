"""What clients say over the socket, each always acked: its name, its fields, and the `data` of a good ack."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from social.contracts.base import Ask, Contract, Id, IdempotencyKey, Time
from social.contracts.comments import Comment, CommentLikeState
from social.contracts.notifications import Read, Unread
from social.contracts.people import FollowState, Username
from social.contracts.posts import (
    BookmarkState,
    EditPost,
    LikeState,
    NewPost,
    Post,
    PostStats,
    RepostState,
)
from social.contracts.pushes import Presence
from social.contracts.text import PostText


class Message(Ask):
    """Base of everything a client sends; `event` is its name on the wire."""

    event: ClassVar[str]
    says: ClassVar[str]
    answer: ClassVar[type[Contract] | None] = None  # `data` of a good ack


class _Write(Message):
    idempotency_key: IdempotencyKey | None = None


class _OfPost(_Write):
    post_id: Id


class _OfComment(_Write):
    comment_id: Id


class _OfPerson(_Write):
    username: Username


class _OfPeople(Message):
    user_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]


class WatchPost(Message):
    event, says = "post.watch", "Follow one post's counts and comments live; answers the snapshot."
    answer = PostStats
    post_id: Id


class UnwatchPost(Message):
    event, says = "post.unwatch", "Stop following a post."
    post_id: Id


class LikePost(_OfPost):
    event, says = "post.like", "Like a post; a second like changes nothing."
    answer = LikeState


class UnlikePost(_OfPost):
    event, says = "post.unlike", "Take a like back."
    answer = LikeState


class CreatePost(NewPost, _Write):
    event, says = "post.create", "Publish a post."
    answer = Post


class EditOnePost(EditPost, _OfPost):
    event, says = "post.edit", "Have your post say something else; with `rev`, only if that is still its revision."
    answer = Post
    rev: Annotated[int, Field(ge=0, le=10**18)] | None = None


class DeletePost(_OfPost):
    event, says = "post.delete", "Delete your post, with its comments and likes."


class RepostPost(_OfPost):
    event, says = "post.repost", "Show a post to your followers; a second time changes nothing."
    answer = RepostState


class UnrepostPost(_OfPost):
    event, says = "post.unrepost", "Take a repost back."
    answer = RepostState


class BookmarkPost(_OfPost):
    event, says = "post.bookmark", "Keep a post among your bookmarks; a second time changes nothing."
    answer = BookmarkState


class UnbookmarkPost(_OfPost):
    event, says = "post.unbookmark", "Take a post out of your bookmarks."
    answer = BookmarkState


class CreateComment(_OfPost):
    event, says = "comment.create", "Comment on a post, or answer a comment under it."
    answer = Comment
    text: PostText
    parent_id: Id | None = None


class EditComment(_OfComment):
    event, says = "comment.edit", "Change what your comment says; with `rev`, only if nobody edited it since."
    answer = Comment
    text: PostText
    rev: Annotated[int, Field(ge=0, le=10**18)] | None = None


class DeleteComment(_OfComment):
    event, says = "comment.delete", "Delete your comment, or one under your post, with its replies."


class LikeComment(_OfComment):
    event, says = "comment.like", "Like a comment; a second like changes nothing."
    answer = CommentLikeState


class UnlikeComment(_OfComment):
    event, says = "comment.unlike", "Take a like of a comment back."
    answer = CommentLikeState


class FollowUser(_OfPerson):
    event, says = "user.follow", "Follow a person."
    answer = FollowState


class UnfollowUser(_OfPerson):
    event, says = "user.unfollow", "Stop following a person."
    answer = FollowState


class ReadNotifications(Read, Message):
    event, says = "notifications.read", "Mark notifications as read, here and on your other devices."
    answer = Unread


class SessionRenewed(Contract):
    """Until when the socket stays open."""

    expires_at: Time


class RenewSession(Message):
    event, says = "session.renew", "Present the next access token of this session before the old one expires."
    answer = SessionRenewed
    token: Annotated[str, Field(min_length=1, max_length=4_096)]


class PresenceSnapshot(Contract):
    """Each person asked for, as known now."""

    people: list[Presence]


class WatchPresence(_OfPeople):
    event, says = "presence.watch", "Follow whether people are online; answers the snapshot."
    answer = PresenceSnapshot


class UnwatchPresence(_OfPeople):
    event, says = "presence.unwatch", "Stop following these people."


class SayTyping(Message):
    event, says = "typing", "Tell those who watch a post that you write a comment."
    post_id: Id


class SyncEvent(Contract):
    """One missed stream event."""

    event: str
    data: Any
    offset: str


class SyncAnswer(Contract):
    """Everything missed, in order; when not recovered, `events` is empty and state must be fetched again."""

    recovered: bool
    events: list[SyncEvent]
    offset: str


class Sync(Message):
    event, says = "sync", "What the stream holds after an offset; `recovered: false` means refetch."
    answer = SyncAnswer
    after: Annotated[str, Field(max_length=40)]


CLIENT_MESSAGES: dict[str, type[Message]] = {
    message.event: message
    for message in (
        WatchPost,
        UnwatchPost,
        CreatePost,
        EditOnePost,
        DeletePost,
        RepostPost,
        UnrepostPost,
        BookmarkPost,
        UnbookmarkPost,
        LikePost,
        UnlikePost,
        CreateComment,
        EditComment,
        DeleteComment,
        LikeComment,
        UnlikeComment,
        FollowUser,
        UnfollowUser,
        ReadNotifications,
        Sync,
        RenewSession,
        WatchPresence,
        UnwatchPresence,
        SayTyping,
    )
}
