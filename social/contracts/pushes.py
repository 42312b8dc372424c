"""What travels over the socket to clients: events, and the Redis frame that carries them."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from social.contracts.auth import SessionEnd
from social.contracts.base import Contract, Id, Time
from social.contracts.codec import encode
from social.contracts.comments import CommentPublic, CommentStats
from social.contracts.notifications import Notification, Unread
from social.contracts.posts import (
    PostPublic,
    PostStats,
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
    trace: str | None = None  # the request it comes from
    answers: str = ""  # who wrote what it answers: it is kept from those as well to whom they are hidden

    def encode(self) -> bytes:
        """`S|H <ts_ms> <epoch> <seq> <author>[ <trace>[ <answers>]]\\n` + frame, `-` for what does not apply."""
        head = f"{self.kind} {self.at_ms} {self.epoch or '-'} {self.seq or '-'} {self.author or '-'}"
        if self.trace or self.answers:
            head += f" {self.trace or '-'}" + (f" {self.answers}" if self.answers else "")
        return f"{head}\n".encode() + self.frame

    @classmethod
    def parse(cls, data: bytes) -> "Push":
        """Raises ValueError for anything that is not a push."""
        head, separator, body = data.partition(b"\n")
        kind, at_ms, epoch, seq, author, *more = head.decode("ascii").split(" ")
        if kind not in ("S", "H") or not separator or len(more) > 2:
            raise ValueError("not a push")
        return cls(
            kind,  # type: ignore[arg-type]
            int(at_ms),
            "" if epoch == "-" else epoch,
            0 if seq == "-" else int(seq),
            "" if author == "-" else author,
            body,
            more[0] if more and more[0] != "-" else None,
            more[1] if len(more) == 2 else "",
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
