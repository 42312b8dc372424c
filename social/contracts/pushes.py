"""Server events over the socket: their catalogue, the rooms they go to, and the Redis message that carries them."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from social.contracts.auth import SessionEnd
from social.contracts.base import Contract, Id, Time
from social.contracts.codec import encode
from social.contracts.comments import CommentPublic, CommentStats
from social.contracts.notifications import Notification, Unread
from social.contracts.posts import FeedPostPublic, PostPublic, PostStats


def user_room(user_id: str) -> str:
    """Return the room of everything that a person is sent; only the server joins it."""
    return f"user:{user_id}"


def post_room(post_id: str) -> str:
    """Return the room of the live counts and comments of a post."""
    return f"post:{post_id}"


def presence_room(user_id: str) -> str:
    """Return the room of a person's presence, for those who watch it."""
    return f"presence:{user_id}"


def channel(room: str) -> str:
    """Return the Redis channel of a room."""
    return f"room:{room}"


CONTROL_CHANNEL = "ctl"


def node_channel(node: str) -> str:
    """Return the Redis channel of a gateway: its own heartbeat, and messages to it alone."""
    return f"node:{node}"


class NotificationRemoved(Contract):
    """A notification was removed: its cause is gone."""

    id: Id
    rev: int


class NotificationsReadPush(Unread):
    """Notifications were read on another device: these ids, or everything up to a time."""

    ids: list[Id] | None = None
    all_until: Time | None = None


Reason = Literal["followed", "unfollowed", "muted", "unmuted", "blocked", "unblocked"]


class FeedChanged(Contract):
    """The home timeline changed by more than a new post: fetch it again."""

    reason: Reason


class PostGone(Contract):
    """A post was deleted."""

    post_id: Id


class CommentGone(Contract):
    """A comment was deleted."""

    comment_id: Id
    post_id: Id
    parent_id: Id | None = Field(default=None, description="the comment that it was a reply to")


class UserStats(Contract):
    """The counters of the person the socket belongs to."""

    user_id: Id
    followers: int
    following: int
    posts: int
    version: int


class SessionEnded(Contract):
    """The session of the socket was revoked; the socket closes."""

    reason: str = Field(examples=list(SessionEnd), description="why it ended; more values may be added")


class Drain(Contract):
    """The gateway stops: connect again after `after_ms`, or be disconnected then and reconnect by yourself."""

    after_ms: int


class Presence(Contract):
    """Whether a person is online; the greater version is the newer state."""

    user_id: Id
    online: bool
    last_seen_at: Time | None = None
    version: int


class Typing(Contract):
    """A person is writing a comment on a watched post; forget it after a few seconds."""

    post_id: Id
    user_id: Id


class ServerEvent(NamedTuple):
    """An event of the catalogue: stream events (G3) carry an offset, hints (G4) are live state, most with a version."""

    name: str
    kind: Literal["stream", "hint"]
    body: type[Contract]
    summary: str


SERVER_EVENTS: dict[str, ServerEvent] = {
    event.name: event
    for event in (
        ServerEvent("notification", "stream", Notification, "Something happened that concerns you."),
        ServerEvent("notification.updated", "stream", Notification, "A notification group of yours changed."),
        ServerEvent(
            "notification.removed", "stream", NotificationRemoved, "A notification was removed: its cause is gone."
        ),
        ServerEvent(
            "notifications.read", "stream", NotificationsReadPush, "Notifications were read on another device of yours."
        ),
        ServerEvent("feed.post", "hint", FeedPostPublic, "A person you follow posted, or reposted a stranger's post."),
        ServerEvent("feed.changed", "hint", FeedChanged, "Your home timeline changed: fetch it again."),
        ServerEvent("post.updated", "hint", PostPublic, "A post you watch, or have in your timeline, was edited."),
        ServerEvent("post.deleted", "hint", PostGone, "A post you watch, or had in your timeline, was deleted."),
        ServerEvent("post.stats", "hint", PostStats, "The counts of a watched post; newest by version."),
        ServerEvent("comment.created", "hint", CommentPublic, "A new comment or reply on a watched post."),
        ServerEvent("comment.updated", "hint", CommentPublic, "A watched post's comment was edited; newest by rev."),
        ServerEvent("comment.stats", "hint", CommentStats, "The counts of such a comment; newest by version."),
        ServerEvent("comment.deleted", "hint", CommentGone, "A watched post's comment was deleted, with its replies."),
        ServerEvent("user.stats", "hint", UserStats, "Your own counters; newest by version."),
        ServerEvent("presence", "hint", Presence, "A watched person came online or went offline."),
        ServerEvent("typing", "hint", Typing, "A person is writing a comment on a watched post."),
        ServerEvent("drain", "hint", Drain, "The gateway stops: connect again after that many milliseconds."),
        ServerEvent("session.revoked", "hint", SessionEnded, "Your session has ended: log in again."),
    )
}


def frame(event: str, data: Any, offset: str | None = None) -> bytes:
    """Return the Engine.IO text frame of a Socket.IO event: encoded once, never decoded on the way."""
    args = [event, data] if offset is None else [event, data, offset]
    return b"42" + encode(args)


class ConnectAuth(Contract):
    """The `auth` payload of a connect; official clients recover a connection by `pid` and `offset`."""

    token: Annotated[str, Field(min_length=1, max_length=4_096)]
    pid: Any = None
    offset: Any = None


class Push(NamedTuple):
    """A push on Redis: a header that gateways parse, and a frame that they only pass on."""

    kind: Literal["S", "H"]
    at_ms: int
    epoch: str
    seq: int
    author: str
    frame: bytes
    trace: str | None = None  # the request it comes from
    answers: str = ""  # the author it replies to: people to whom that author is hidden do not get it either

    def encode(self) -> bytes:
        """`S|H <ts_ms> <epoch> <seq> <author>[ <trace>[ <answers>]]\\n` + frame, `-` for what does not apply."""
        head = f"{self.kind} {self.at_ms} {self.epoch or '-'} {self.seq or '-'} {self.author or '-'}"
        if self.trace or self.answers:
            head += f" {self.trace or '-'}" + (f" {self.answers}" if self.answers else "")
        return f"{head}\n".encode() + self.frame

    @classmethod
    def parse(cls, data: bytes) -> "Push":
        """Return the push in a Redis message; raises ValueError for anything else."""
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
    """Return a position in a person's stream, as clients carry it."""
    return f"{epoch}.{seq}"


def parse_offset(text: object) -> tuple[str, int] | None:
    """Return epoch and seq of an offset, or None for a malformed one: then the answer is *not recovered*."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    epoch, _, seq = text.partition(".")
    if len(epoch) != 8 or not (seq.isascii() and seq.isdigit()) or len(seq) > 18:
        return None
    return epoch, int(seq)
