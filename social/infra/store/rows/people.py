"""Documents about people: accounts, what they are found by, their logins, and how they stand to each other."""

from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from social.contracts.activity import ActivityKind
from social.contracts.auth import SessionEnd
from social.infra.store.rows.collection import Collection


class LinkValue(TypedDict):
    """A link on a profile."""

    title: str
    url: str


class SessionsEnded(TypedDict):
    """The mark on an account whose sessions were all ended: those of an earlier generation, but `keep`."""

    generation: NotRequired[int]
    keep: NotRequired[str | None]
    reason: NotRequired[str]
    at: datetime  # by the store's clock
    rows: NotRequired[bool]  # while the sweeper has yet to bring the sessions' own documents in line


Hidden = dict[str, int]  # how much of each count suspended people make up: `social/people/hidden_counts.py`


class PersonCounts(TypedDict):
    """The counters of a person: `social/people/counters.py`."""

    followers: int
    following: int
    posts: int


class ProfileFields(TypedDict):
    """The fields of an account that its owner edits."""

    display_name: str
    bio: str | None
    avatar_url: str | None
    links: list[LinkValue]
    private: bool


class AuthorFields(TypedDict):
    """The fields of an account that decide who sees its posts."""

    _id: str
    private: bool


class UserRow(ProfileFields, PersonCounts):
    """An account. After its deletion `deleted_at` hides it until a tombstone takes its place."""

    _id: str
    username: str
    email: str  # `@` and the id where the account has no address
    email_verified_at: datetime | None
    password: str | None  # the hash; None once the account is deleted
    words: list[str]  # the words it is found by; see `names`
    rev: NotRequired[int]  # edits of the profile
    created_at: datetime
    version: int  # changes of the counts
    hidden: NotRequired[Hidden]
    recounted_at: NotRequired[datetime]
    merged: NotRequired[bool]  # posts are merged into timelines when read, since there are too many followers
    private_since: NotRequired[datetime]
    password_changed_at: NotRequired[datetime]
    logins: NotRequired[int]
    email_changes: NotRequired[int]
    sessions_ended: NotRequired[SessionsEnded]
    avatar: NotRequired[str | None]  # the picture that `avatar_url` shows, where it was uploaded
    suspended_at: NotRequired[datetime]
    suspended_for: NotRequired[str | None]
    counted_out: NotRequired[bool]  # the person's acts are part of what is hidden of counts
    deleted_at: NotRequired[datetime]


class TombstoneRow(TypedDict):
    """The document that keeps a deleted account's username from being given away again."""

    _id: str  # `@` and the username, like the address
    username: str
    email: str
    password: None
    deleted_at: datetime


class NameRow(TypedDict):
    """A word that a person is found by."""

    _id: str  # the word, a space and the user id
    user_id: str


class LateRetry(TypedDict):
    """The rotation of a refresh token that was answered late, and when that was first."""

    of: str
    at: datetime


class SessionRow(TypedDict):
    """A login; the personal fields are None once the account is deleted."""

    _id: str
    user_id: str | None
    hash: str | None  # of the refresh token that is valid
    ip: str | None
    device: str | None
    created_at: datetime
    rotated_at: datetime
    expires_at: datetime
    revoked_at: datetime | None  # by the store's clock
    generation: NotRequired[int]  # how often all sessions of the account had been ended before
    reason: NotRequired[str]
    late_retry: NotRequired[LateRetry]


EdgeRow = TypedDict(
    "EdgeRow",
    {
        "_id": str,  # both ids
        "from": str,
        "to": str,
        "follows_at": NotRequired[datetime],
        "requested_at": NotRequired[datetime],
        "blocks_at": NotRequired[datetime],
        "blocked_at": NotRequired[datetime],
        "mutes_at": NotRequired[datetime],
        "hides": NotRequired[bool],
    },
)
EdgeRow.__doc__ = "How one person stands to another: since when each relation holds; see `social/people/edges.py`."


class ActivityRow(TypedDict):
    """An entry of the log of an account."""

    _id: str
    user_id: str  # `@` and the username once the account is deleted
    what: ActivityKind
    at: datetime
    ip: NotRequired[str]
    device: NotRequired[str]
    session_id: NotRequired[str]
    reason: NotRequired[SessionEnd]
    about: NotRequired[str]  # the person who was blocked


class VisibilityChangeRow(TypedDict):
    """A change of who sees whom: between two people, or between one and everybody (`whom` is None)."""

    _id: str
    at: datetime  # by the store's clock
    who: str
    whom: str | None


class OneTimeTokenRow(TypedDict):
    """A token that was mailed, until it is spent or over."""

    _id: str  # its hash
    purpose: str
    user_id: str
    email: str
    asked_at: NotRequired[datetime]
    at: datetime
    expires_at: datetime


class ReportRow(TypedDict):
    """A report to the operator; without `reporter` once that account is deleted."""

    _id: str
    reporter: NotRequired[str]
    kind: Literal["user", "post", "comment"]
    target: str
    about: str
    reason: str
    text: str | None
    created_at: datetime


USERS = Collection[UserRow]("users")
TOMBSTONES = Collection[TombstoneRow](USERS)  # among the accounts
NAMES = Collection[NameRow]("names")
SESSIONS = Collection[SessionRow]("sessions")
EDGES = Collection[EdgeRow]("edges")
ACTIVITY = Collection[ActivityRow]("activity")
VISIBILITY_CHANGES = Collection[VisibilityChangeRow]("visibility_changes")
ONE_TIME_TOKENS = Collection[OneTimeTokenRow]("one_time_tokens")
REPORTS = Collection[ReportRow]("reports")
