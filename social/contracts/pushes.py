"""What travels over the socket: events to clients, messages from clients, and the Redis frame in between."""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from social.contracts.auth import SessionEnd
from social.contracts.base import Ask, Contract, Id, IdempotencyKey, PostText, Time
from social.contracts.codec import encode
from social.contracts.comments import Comment, CommentLikeState, CommentPublic, CommentStats
from social.contracts.notifications import Notification, Read, Unread
from social.contracts.people import FollowState, Username
from social.contracts.posts import (
    BookmarkState,
    EditPost,
    LikeState,
    NewPost,
    Post,
    PostPublic,
    PostStats,
    RepostState,
)

# ---- rooms and channels


def user_room(user_id: str) -> str:
    """Everything one person is told; joined by the server only."""
    return f"user:{user_id}"


def post_room(post_id: str) -> str:
    """Live counts and comments of one post."""
    return f"post:{post_id}"


def channel(room: str) -> str:
    """The Redis channel of a room."""
    return f"room:{room}"


def presence_room(user_id: str) -> str:
    """Whether one person is online, for those who look."""
    return f"presence:{user_id}"


CONTROL_CHANNEL = "ctl"


def node_channel(node: str) -> str:
    """The Redis channel of one gateway: its own beat, and words for it alone."""
    return f"node:{node}"


# ---- server → client


class NotificationRemoved(Contract):
    """The cause is gone."""

    id: Id
    rev: int


class NotificationsReadPush(Unread):
    """Read on another device: these ids, or everything up to a time."""

    ids: list[Id] | None = None
    all_until: Time | None = None


Reason = Literal["followed", "unfollowed", "muted", "unmuted", "blocked", "unblocked"]


class FeedChanged(Contract):
    """The home timeline changed by more than one new post: fetch it again."""

    reason: Reason


class PostGone(Contract):
    """A post was deleted."""

    post_id: Id


class CommentGone(Contract):
    """A comment was deleted."""

    comment_id: Id
    post_id: Id
    parent_id: Id | None = Field(default=None, description="of what it was a reply to")


class UserStats(Contract):
    """One's own counters."""

    user_id: Id
    followers: int
    following: int
    posts: int
    version: int


class SessionEnded(Contract):
    """This session was revoked; the socket closes."""

    reason: str = Field(examples=list(SessionEnd), description="why; more may come")


class Drain(Contract):
    """This gateway stops: connect again after so long, or be disconnected then and come back by yourself."""

    after_ms: int


class Presence(Contract):
    """Whether somebody is online; the greater version is the newer."""

    user_id: Id
    online: bool
    last_seen_at: Time | None = None
    version: int


class Typing(Contract):
    """Somebody writes a comment on a watched post; forget it after a few seconds."""

    post_id: Id
    user_id: Id


class ServerEvent(NamedTuple):
    """One event of the catalogue: stream events (G3) carry an offset, hints (G4) are state with a version."""

    name: str
    kind: Literal["stream", "hint"]
    body: type[Contract]
    says: str


SERVER_EVENTS: dict[str, ServerEvent] = {
    event.name: event
    for event in (
        ServerEvent("notification", "stream", Notification, "Something happened that concerns you."),
        ServerEvent("notification.updated", "stream", Notification, "A group of yours changed."),
        ServerEvent("notification.removed", "stream", NotificationRemoved, "Its cause is gone."),
        ServerEvent("notifications.read", "stream", NotificationsReadPush, "Read on another device of yours."),
        ServerEvent("feed.post", "hint", PostPublic, "Somebody you follow posted."),
        ServerEvent("feed.changed", "hint", FeedChanged, "Fetch your home timeline again."),
        ServerEvent("post.updated", "hint", PostPublic, "A post you watch, or have in your timeline, was edited."),
        ServerEvent("post.deleted", "hint", PostGone, "A post you watch, or had in your timeline, is gone."),
        ServerEvent("post.stats", "hint", PostStats, "A watched post's counts, newest by version."),
        ServerEvent("comment.created", "hint", CommentPublic, "A new comment, or reply, on a watched post."),
        ServerEvent("comment.updated", "hint", CommentPublic, "A comment there was edited, newest by rev."),
        ServerEvent("comment.stats", "hint", CommentStats, "Counts of a comment there, newest by version."),
        ServerEvent("comment.deleted", "hint", CommentGone, "A comment there is gone, with its replies."),
        ServerEvent("user.stats", "hint", UserStats, "Your own counters, newest by version."),
        ServerEvent("presence", "hint", Presence, "A watched person came or went."),
        ServerEvent("typing", "hint", Typing, "Somebody writes a comment on a watched post."),
        ServerEvent("drain", "hint", Drain, "This gateway stops; come back after that many milliseconds."),
        ServerEvent("session.revoked", "hint", SessionEnded, "This session was ended; log in again."),
    )
}


def frame(event: str, data: Any, offset: str | None = None) -> bytes:
    """The Engine.IO text frame of a Socket.IO event: encoded once, never decoded on the way."""
    args = [event, data] if offset is None else [event, data, offset]
    return b"42" + encode(args)


class ConnectAuth(Contract):
    """What a client sends when it connects; `pid` and `offset` are how official clients recover a connection."""

    token: Annotated[str, Field(min_length=1, max_length=4_096)]
    pid: Any = None
    offset: Any = None


class Push(NamedTuple):
    """One push on Redis: a header a gateway parses, and a frame it only carries."""

    kind: Literal["S", "H"]
    at_ms: int
    epoch: str
    seq: int
    author: str
    frame: bytes

    def encode(self) -> bytes:
        """`S|H <ts_ms> <epoch> <seq> <author>\\n` + frame, `-` for what does not apply."""
        head = f"{self.kind} {self.at_ms} {self.epoch or '-'} {self.seq or '-'} {self.author or '-'}\n"
        return head.encode() + self.frame

    @classmethod
    def parse(cls, data: bytes) -> "Push":
        """Raises ValueError for anything that is not a push."""
        head, separator, body = data.partition(b"\n")
        kind, at_ms, epoch, seq, author = head.decode("ascii").split(" ")
        if kind not in ("S", "H") or not separator:
            raise ValueError("not a push")
        return cls(
            kind,  # type: ignore[arg-type]
            int(at_ms),
            "" if epoch == "-" else epoch,
            0 if seq == "-" else int(seq),
            "" if author == "-" else author,
            body,
        )


def offset(epoch: str, seq: int) -> str:
    """A position in a person's stream, as clients carry it."""
    return f"{epoch}.{seq}"


def parse_offset(text: object) -> tuple[str, int] | None:
    """Epoch and seq, or None for anything malformed: never an error, the answer is *not recovered*."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    epoch, _, seq = text.partition(".")
    if len(epoch) != 8 or not (seq.isascii() and seq.isdigit()) or len(seq) > 18:
        return None
    return epoch, int(seq)


# ---- client → server, always acked


class Message(Ask):
    """Base of everything a client sends; `event` is its name on the wire."""

    event: ClassVar[str]
    says: ClassVar[str]
    answer: ClassVar[type[Contract] | None] = None  # `data` of a good ack


class WatchPost(Message):
    event, says = "post.watch", "Follow one post's counts and comments live; answers the snapshot."
    answer = PostStats
    post_id: Id


class UnwatchPost(Message):
    event, says = "post.unwatch", "Stop following a post."
    post_id: Id


class LikePost(Message):
    event, says = "post.like", "Like a post; a second like changes nothing."
    answer = LikeState
    post_id: Id
    idempotency_key: IdempotencyKey | None = None


class UnlikePost(Message):
    event, says = "post.unlike", "Take a like back."
    answer = LikeState
    post_id: Id
    idempotency_key: IdempotencyKey | None = None


class CreatePost(NewPost, Message):
    event, says = "post.create", "Publish a post."
    answer = Post
    idempotency_key: IdempotencyKey | None = None


class EditOnePost(EditPost, Message):
    event, says = "post.edit", "Have your post say something else; with `rev`, only if that is still its revision."
    answer = Post
    post_id: Id
    rev: Annotated[int, Field(ge=0)] | None = None
    idempotency_key: IdempotencyKey | None = None


class _OfPost(Message):
    post_id: Id
    idempotency_key: IdempotencyKey | None = None


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


class CreateComment(Message):
    event, says = "comment.create", "Comment on a post, or answer a comment under it."
    answer = Comment
    post_id: Id
    text: PostText
    parent_id: Id | None = None
    idempotency_key: IdempotencyKey | None = None


class EditComment(Message):
    event, says = "comment.edit", "Change what your comment says; with `rev`, only if nobody edited it since."
    answer = Comment
    comment_id: Id
    text: PostText
    rev: Annotated[int, Field(ge=0, le=10**18)] | None = None
    idempotency_key: IdempotencyKey | None = None


class DeleteComment(Message):
    event, says = "comment.delete", "Delete your comment, or one under your post, with its replies."
    comment_id: Id
    idempotency_key: IdempotencyKey | None = None


class LikeComment(Message):
    event, says = "comment.like", "Like a comment; a second like changes nothing."
    answer = CommentLikeState
    comment_id: Id
    idempotency_key: IdempotencyKey | None = None


class UnlikeComment(Message):
    event, says = "comment.unlike", "Take a like of a comment back."
    answer = CommentLikeState
    comment_id: Id
    idempotency_key: IdempotencyKey | None = None


class FollowUser(Message):
    event, says = "user.follow", "Follow a person."
    answer = FollowState
    username: Username
    idempotency_key: IdempotencyKey | None = None


class UnfollowUser(Message):
    event, says = "user.unfollow", "Stop following a person."
    answer = FollowState
    username: Username
    idempotency_key: IdempotencyKey | None = None


class ReadNotifications(Read, Message):
    event, says = "notifications.read", "Mark notifications as read, here and on your other devices."
    answer = Unread


class RenewSession(Message):
    event, says = "session.renew", "Present the next access token of this session before the old one expires."
    token: Annotated[str, Field(min_length=1, max_length=4_096)]


class SessionRenewed(Contract):
    """Until when the socket stays open."""

    expires_at: Time


class WatchPresence(Message):
    event, says = "presence.watch", "Follow whether people are online; answers the snapshot."
    user_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]


class UnwatchPresence(Message):
    event, says = "presence.unwatch", "Stop following these people."
    user_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]


class PresenceSnapshot(Contract):
    """Each person asked for, as known now."""

    people: list[Presence]


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
