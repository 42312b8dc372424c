"""Models of what a server sends: written by `make docs` from docs/openapi.json and docs/asyncapi.json."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, ConfigDict, Field

from plaza_client.received import Received


class Activities(Received):
    """A page of the log of your account, newest first."""

    items: list[Activity]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")


class Activity(Received):
    """An event in the log of your account, and where the request that caused it came from."""

    id: str
    what: str = Field(..., description="Kinds of entries in the log of an account.")
    at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    ip: str | None = Field(..., description="null if the operator or the system caused it")
    device: str | None = Field(..., description="as the client named it, or its User-Agent")
    session_id: str | None = Field(..., description="the session that was opened or ended")
    reason: str | None = Field(..., description="why a session ended")
    user: UserRef | None = Field(
        ..., description="the person who was blocked or unblocked; null if the account is gone"
    )


class BookmarkState(Received):
    """Whether the post is among your bookmarks."""

    post_id: str
    bookmarked: bool


class Comment(Received):
    """A comment as you see it."""

    id: str
    post_id: str
    parent_id: str | None = Field(
        None, description="the comment that it replies to; replies have no replies of their own"
    )
    author: UserRef
    text: str
    entities: list[Entity] = Field(
        [], description="the mentions and hashtags in the text, in order", validate_default=True
    )
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    edited_at: AwareDatetime | None = None
    rev: int = 0
    likes: int = 0
    replies: int = 0
    version: int = 0
    liked: bool = False


class CommentGone(Received):
    """A comment was deleted."""

    comment_id: str
    post_id: str
    parent_id: str | None = Field(None, description="the comment that it was a reply to")


class CommentLikeState(Received):
    """Whether you like a comment, and its likes as counted so far (may lag a moment)."""

    comment_id: str
    liked: bool
    likes: int
    version: int


class CommentPublic(Received):
    """
    A comment without anything that depends on its viewer, as pushes carry it.

    `version` orders it against `comment.stats`, and `rev`, which grows with each edit, against `comment.updated`.
    """

    id: str
    post_id: str
    parent_id: str | None = Field(
        None, description="the comment that it replies to; replies have no replies of their own"
    )
    author: UserRef
    text: str
    entities: list[Entity] = Field(
        [], description="the mentions and hashtags in the text, in order", validate_default=True
    )
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    edited_at: AwareDatetime | None = None
    rev: int = 0
    likes: int = 0
    replies: int = 0
    version: int = 0


class CommentStats(Received):
    """A comment's counts."""

    comment_id: str
    post_id: str
    likes: int
    replies: int
    version: int


class Comments(Received):
    """A page of comments, in the requested order."""

    items: list[Comment]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")


class Drain(Received):
    """The gateway stops: connect again after `after_ms`, or be disconnected then and reconnect by yourself."""

    after_ms: int


class Entity(Received):
    """
    A mention or hashtag in a text: characters `start` to `end`, counted in Unicode code points.

    A text has at most 50 mentions and 30 hashtags, the first ones; the rest is plain text. So are mentions of people
    who do not exist for the author or, because of a block, for the reader.
    """

    kind: str
    start: int = Field(..., description="index of the @ or #")
    end: int = Field(..., description="index of the first character after it")
    key: str = Field(
        ..., description="the username, or the hashtag in the form used for search: without #, case, width and joiners"
    )
    user_id: str | None = Field(
        None, description="id of the mentioned person; null in events to many people, which have only the username"
    )


class Feed(Received):
    """A page of your home timeline."""

    items: list[FeedPost]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")


class FeedChanged(Received):
    """The home timeline changed by more than a new post: fetch it again."""

    reason: str


class FeedPost(Received):
    """A post in your home timeline; `reposted_by` is why it is there where you do not follow its author."""

    id: str
    author: UserRef
    text: str
    entities: list[Entity] = Field(
        [], description="the mentions and hashtags in the text, in order", validate_default=True
    )
    media: list[MediaRef] = Field([], validate_default=True)
    visibility: str = "public"
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    edited_at: AwareDatetime | None = None
    rev: int = 0
    likes: int
    comments: int
    reposts: int = 0
    version: int
    liked: bool
    reposted: bool = Field(False, description="by you")
    bookmarked: bool = False
    place: str = Field(
        ..., description="its place in the timeline, greater is newer: its own id, or that of the repost"
    )
    reposted_by: UserRef | None = None


class FeedPostPublic(Received):
    """A post that comes into your home timeline, pushed with its place and with who reposted it, if that is why."""

    id: str
    author: UserRef
    text: str
    entities: list[Entity] = Field(
        [], description="the mentions and hashtags in the text, in order", validate_default=True
    )
    media: list[MediaRef] = Field([], validate_default=True)
    visibility: str = "public"
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    edited_at: AwareDatetime | None = None
    rev: int = 0
    likes: int
    comments: int
    reposts: int = 0
    version: int
    place: str = Field(
        ..., description="its place in the timeline, greater is newer: its own id, or that of the repost"
    )
    reposted_by: UserRef | None = None


class FieldProblem(Received):
    """A wrong field: a JSON pointer into the body, or the name of a parameter."""

    pointer: str
    code: str
    detail: str


class FollowState(Received):
    """Whether you follow the person or asked to, and their followers as counted so far (may lag a moment)."""

    username: str
    following: bool
    requested: bool = Field(False, description="their account is private, and they have not answered yet")
    followers: int


class Found(Received):
    """A page of the posts that match a search."""

    items: list[Post]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")
    people: list[UserRef] = Field(
        ..., description="the first matching people, only with the first page; all of them: GET /v1/users?q="
    )


class LikeState(Received):
    """Whether you like the post, and its likes as counted so far (may lag a moment)."""

    post_id: str
    liked: bool
    likes: int
    version: int


class Link(Received):
    """A link on a person's profile."""

    model_config = ConfigDict(
        extra="forbid",
    )
    title: str = Field(
        ...,
        description="a name on one line: characters of a PRECIS nickname (RFC 8264, FreeformClass), emoji, flags and variants of ideographs; kept in NFC with single spaces, at most 4 marks on a letter; at most 50 characters as people count them (UAX 29), 500 bytes; surrounding spaces and direction marks are removed; refused without a visible character",
    )
    url: str


class Me(Received):
    """A person's own profile, with fields that only that person sees."""

    id: str
    username: str
    display_name: str
    avatar_url: str | None = Field(
        None,
        description="URL of the avatar: relative to this API where it was uploaded, then a square of 192 pixels, or of another size with `&size=96` or `&size=512`",
    )
    bio: str | None
    links: list[Link]
    rev: int
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    private: bool = Field(..., description="only accepted followers see their posts, followers and whom they follow")
    followers: int
    following: int
    posts: int
    version: int
    email: str | None = Field(
        ..., description="null: it was not verified within a week, and another person registered with it"
    )
    email_verified: bool = Field(..., description="the link in a mail to it was opened")


class MediaRef(Received):
    """A picture as a post shows it. The URLs are signed and expire; request the post again for fresh ones."""

    id: str
    url: str = Field(..., description="URL of the picture, relative to this API; usable in `<img>`, without a token")
    thumbnail_url: str = Field(..., description="URL of the picture at most 400 pixels wide and high")
    width: int = Field(..., description="pixels")
    height: int = Field(..., description="pixels")
    mime: str
    blurhash: str = Field(..., description="placeholder to show while it loads (blurha.sh)")
    alt: str = ""
    truncated: bool = Field(
        False, description="the file was cut off or damaged: unreadable parts are grey, black or transparent"
    )


class Notification(Received):
    """A group of notifications: the newest actors (at most 8), and their count; `rev` grows with each change."""

    id: str
    type: str
    target: Target
    post_id: str | None = None
    actors: list[UserRef]
    count: int
    rev: int
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    updated_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    read_at: AwareDatetime | None = None


class NotificationRemoved(Received):
    """A notification was removed: its cause is gone."""

    id: str
    rev: int


class Notifications(Received):
    """A page, with its stream position: connect first, then fetch, and no notification is missed."""

    items: list[Notification]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")
    offset: str
    unread: int


class NotificationsReadPush(Received):
    """Notifications were read on another device: these ids, or everything up to a time."""

    unread: int
    ids: list[str] | None = None
    all_until: AwareDatetime | None = None


class People(Received):
    """A page of people."""

    items: list[UserRef]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")


class Post(Received):
    """A post as you see it."""

    id: str
    author: UserRef
    text: str
    entities: list[Entity] = Field(
        [], description="the mentions and hashtags in the text, in order", validate_default=True
    )
    media: list[MediaRef] = Field([], validate_default=True)
    visibility: str = "public"
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    edited_at: AwareDatetime | None = None
    rev: int = 0
    likes: int
    comments: int
    reposts: int = 0
    version: int
    liked: bool
    reposted: bool = Field(False, description="by you")
    bookmarked: bool = False


class PostGone(Received):
    """A post was deleted."""

    post_id: str


class PostPublic(Received):
    """
    A post without anything that depends on its viewer, as pushes carry it.

    `version` orders it against `post.stats`, and `rev`, which grows with each edit, against `post.updated`.
    """

    id: str
    author: UserRef
    text: str
    entities: list[Entity] = Field(
        [], description="the mentions and hashtags in the text, in order", validate_default=True
    )
    media: list[MediaRef] = Field([], validate_default=True)
    visibility: str = "public"
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    edited_at: AwareDatetime | None = None
    rev: int = 0
    likes: int
    comments: int
    reposts: int = 0
    version: int


class PostStats(Received):
    """A post's counts: the answer of `post.watch` and the `post.stats` push."""

    post_id: str
    likes: int
    comments: int
    reposts: int = 0
    version: int


class Posts(Received):
    """A page of posts."""

    items: list[Post]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")


class Preferences(Received):
    """The types of notifications that you get; all of them by default."""

    like: bool
    comment: bool
    reply: bool
    mention: bool
    follow: bool
    follow_request: bool
    follow_accepted: bool
    repost: bool


class Presence(Received):
    """Whether a person is online; the greater version is the newer state."""

    user_id: str
    online: bool
    last_seen_at: AwareDatetime | None = None
    version: int


class PresenceSnapshot(Received):
    """The presence of each requested person, as known now."""

    people: list[Presence]


class ProblemBody(Received):
    """The body of an error (application/problem+json)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str | None = None
    request_id: str | None = None
    errors: list[FieldProblem] | None = None


class Profile(Received):
    """A person's profile as you see it."""

    id: str
    username: str
    display_name: str
    avatar_url: str | None = Field(
        None,
        description="URL of the avatar: relative to this API where it was uploaded, then a square of 192 pixels, or of another size with `&size=96` or `&size=512`",
    )
    bio: str | None
    links: list[Link]
    rev: int
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    private: bool = Field(..., description="only accepted followers see their posts, followers and whom they follow")
    followers: int
    following: int
    posts: int
    version: int
    relationship: Relationship


class ProfilePublic(Received):
    """A profile without the viewer. `version` orders it against `user.stats` pushes, `rev` grows with each edit."""

    id: str
    username: str
    display_name: str
    avatar_url: str | None = Field(
        None,
        description="URL of the avatar: relative to this API where it was uploaded, then a square of 192 pixels, or of another size with `&size=96` or `&size=512`",
    )
    bio: str | None
    links: list[Link]
    rev: int
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    private: bool = Field(..., description="only accepted followers see their posts, followers and whom they follow")
    followers: int
    following: int
    posts: int
    version: int


class PublicComments(Received):
    """A page of comments, as anybody reads them, in the requested order."""

    items: list[CommentPublic]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")


class PublicPosts(Received):
    """A page of posts, as anybody reads them."""

    items: list[PostPublic]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")


class Relationship(Received):
    """The relationship between you and a person. Who blocks you is not shown: that person does not exist for you."""

    following: bool = Field(..., description="you follow them")
    followed_by: bool = Field(..., description="they follow you")
    requested: bool = Field(..., description="you asked to follow them, and they have not answered yet")
    blocking: bool = Field(..., description="you block them")
    muting: bool = Field(..., description="you mute them")


class Report(Received):
    """A report as its reporter sees it."""

    id: str
    target: Reported
    reason: str
    text: str | None
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")


class Reported(Received):
    """The kind of thing that a report is about."""

    model_config = ConfigDict(
        extra="forbid",
    )
    kind: str
    id: str


class RepostState(Received):
    """Whether you repost the post, and its reposts as counted so far (may lag a moment)."""

    post_id: str
    reposted: bool
    reposts: int
    version: int


class Revision(Received):
    """An earlier text of a post: from its publication or edit number `rev` to the next edit."""

    rev: int
    text: str
    written_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")


class Revisions(Received):
    """A page of the earlier texts of a post, newest first."""

    items: list[Revision]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")


class Session(Received):
    """A login on a device."""

    id: str
    device: str | None = Field(..., description="as the client named it, or its User-Agent")
    ip: str | None = Field(..., description="the address of the login")
    created_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")
    last_used_at: AwareDatetime = Field(..., description="time of the login or the last refresh")
    current: bool = Field(..., description="whether this is the session of this request")


class SessionEnded(Received):
    """The session of the socket was revoked; the socket closes."""

    reason: str = Field(..., description="why it ended; more values may be added")


class SessionRenewed(Received):
    """Until when the socket stays open."""

    expires_at: AwareDatetime = Field(..., description="RFC 3339, UTC, milliseconds")


class Sessions(Received):
    """A page of open sessions, newest first."""

    items: list[Session]
    next: str | None = Field(None, description="cursor of the older page; null at the end")
    prev: str | None = Field(None, description="cursor of the items newer than this page")


class SyncAnswer(Received):
    """All missed events in order; when not recovered, `events` is empty and the state must be fetched again."""

    recovered: bool
    events: list[SyncEvent]
    offset: str


class SyncEvent(Received):
    """A missed stream event."""

    event: str
    data: Any
    offset: str


class Target(Received):
    """The subject of a notification: the comment that was replied to, or the post or comment of a mention."""

    kind: str
    id: str


class Tokens(Received):
    """An open session: send `access_token` as Bearer, keep `refresh_token` for `/v1/auth/refresh-token`."""

    user: UserRef
    access_token: str
    refresh_token: str
    token_type: str = "Bearer"
    expires_in: int = Field(..., description="seconds until the access token expires")


class Typing(Received):
    """A person is writing a comment on a watched post; forget it after a few seconds."""

    post_id: str
    user_id: str


class Unread(Received):
    """The number of unread notification groups."""

    unread: int


class UserRef(Received):
    """A person as named inside other things."""

    id: str
    username: str
    display_name: str
    avatar_url: str | None = Field(
        None,
        description="URL of the avatar: relative to this API where it was uploaded, then a square of 192 pixels, or of another size with `&size=96` or `&size=512`",
    )


class UserStats(Received):
    """The counters of the person the socket belongs to."""

    user_id: str
    followers: int
    following: int
    posts: int
    version: int
