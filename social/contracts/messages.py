"""Messages that clients send over the socket, each always acked: its name, its fields, and the `data` of a good ack."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from social.contracts.base import ClientInput, Contract, Id, IdempotencyKey, Time
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


class Message(ClientInput):
    """Base of everything a client sends; `event` is its name on the wire."""

    event: ClassVar[str]
    summary: ClassVar[str]
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
    event, summary = "post.watch", "Watch a post's counts and comments live; the answer is a snapshot."
    answer = PostStats
    post_id: Id


class UnwatchPost(Message):
    event, summary = "post.unwatch", "Stop watching a post."
    post_id: Id


class LikePost(_OfPost):
    event, summary = "post.like", "Like a post; a second like changes nothing."
    answer = LikeState


class UnlikePost(_OfPost):
    event, summary = "post.unlike", "Take a like back."
    answer = LikeState


class CreatePost(NewPost, _Write):
    event, summary = "post.create", "Publish a post."
    answer = Post


class EditOnePost(EditPost, _OfPost):
    event, summary = "post.edit", "Edit the text of your post; with `rev`, only if that is still its revision."
    answer = Post
    rev: Annotated[int, Field(ge=0, le=10**18)] | None = None


class DeletePost(_OfPost):
    event, summary = "post.delete", "Delete your post, with its comments and likes."


class RepostPost(_OfPost):
    event, summary = "post.repost", "Repost a post to your followers; a second repost changes nothing."
    answer = RepostState


class UnrepostPost(_OfPost):
    event, summary = "post.unrepost", "Take a repost back."
    answer = RepostState


class BookmarkPost(_OfPost):
    event, summary = "post.bookmark", "Bookmark a post; a second bookmark changes nothing."
    answer = BookmarkState


class UnbookmarkPost(_OfPost):
    event, summary = "post.unbookmark", "Remove a post from your bookmarks."
    answer = BookmarkState


class CreateComment(_OfPost):
    event, summary = "comment.create", "Comment on a post, or reply to a comment under it."
    answer = Comment
    text: PostText
    parent_id: Id | None = None


class EditComment(_OfComment):
    event, summary = "comment.edit", "Edit the text of your comment; with `rev`, only if that is still its revision."
    answer = Comment
    text: PostText
    rev: Annotated[int, Field(ge=0, le=10**18)] | None = None


class DeleteComment(_OfComment):
    event, summary = "comment.delete", "Delete your comment, or one under your post, with its replies."


class LikeComment(_OfComment):
    event, summary = "comment.like", "Like a comment; a second like changes nothing."
    answer = CommentLikeState


class UnlikeComment(_OfComment):
    event, summary = "comment.unlike", "Take a like of a comment back."
    answer = CommentLikeState


class FollowUser(_OfPerson):
    event, summary = "user.follow", "Follow a person."
    answer = FollowState


class UnfollowUser(_OfPerson):
    event, summary = "user.unfollow", "Stop following a person."
    answer = FollowState


class ReadNotifications(Read, Message):
    event, summary = "notifications.read", "Mark notifications as read, here and on your other devices."
    answer = Unread


class SessionRenewed(Contract):
    """Until when the socket stays open."""

    expires_at: Time


class RenewSession(Message):
    event, summary = "session.renew", "Send a new access token of this session before the old one expires."
    answer = SessionRenewed
    token: Annotated[str, Field(min_length=1, max_length=4_096)]


class PresenceSnapshot(Contract):
    """The presence of each requested person, as known now."""

    people: list[Presence]


class WatchPresence(_OfPeople):
    event, summary = "presence.watch", "Watch whether people are online; the answer is a snapshot."
    answer = PresenceSnapshot


class UnwatchPresence(_OfPeople):
    event, summary = "presence.unwatch", "Stop watching these people."


class SayTyping(Message):
    event, summary = "typing", "Show those who watch a post that you are writing a comment."
    post_id: Id


class SyncEvent(Contract):
    """A missed stream event."""

    event: str
    data: Any
    offset: str


class SyncAnswer(Contract):
    """All missed events in order; when not recovered, `events` is empty and the state must be fetched again."""

    recovered: bool
    events: list[SyncEvent]
    offset: str


class Sync(Message):
    event, summary = "sync", "Get the stream's events after an offset; after `recovered: false` fetch the state again."
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
