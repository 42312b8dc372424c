"""Documents about posts: what was written, what people did to it, and the pictures it shows."""

from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from social.contracts.media import Mime
from social.contracts.posts import Visibility
from social.infra.store.rows.collection import Collection
from social.infra.store.rows.people import Hidden

DeletedKind = Literal["post", "comment"]
MediaState = Literal["pending", "ready", "attached", "gone"]


class EntityValue(TypedDict):
    """A mention or hashtag in a text, from character `start` to `end`."""

    kind: Literal["mention", "hashtag"]
    start: int
    end: int
    key: str
    user_id: NotRequired[str]


class WrittenFields(TypedDict):
    """The fields that a post keeps of its text, and those it is found by."""

    text: str
    entities: NotRequired[list[EntityValue]]
    mentions: NotRequired[list[str]]
    tags: NotRequired[list[str]]
    words: NotRequired[list[str]]
    rules: NotRequired[int]  # by which hashtags and words were found


class PostCounts(TypedDict):
    """The counters of a post: `social/posts/counters.py`."""

    likes: int
    comments: int
    reposts: int


class PostRow(WrittenFields, PostCounts):
    """A post with its folded counts. Older releases wrote no `media`, `visibility` and `rev`."""

    _id: str
    author_id: str
    media: NotRequired[list[str]]
    visibility: NotRequired[Visibility]
    created_at: datetime
    edited_at: datetime | None
    rev: NotRequired[int]
    version: int  # changes of the counts
    hidden: NotRequired[Hidden]
    recounted_at: NotRequired[datetime]


class PostTermsRow(TypedDict):
    """The hashtags and words that a post is found by: apart from it, so that a like does not write them anew."""

    _id: str  # the post
    author_id: str
    visibility: Visibility
    tags: list[str]
    words: list[str]


class PostRevisionRow(TypedDict):
    """An earlier text of a post, from before an edit."""

    _id: str
    post_id: str
    rev: int
    text: str
    at: datetime  # when it was written


class InteractionRow(TypedDict):
    """The acts of a person on a post: an id for each that stands."""

    _id: str  # post and person
    post_id: str
    user_id: str
    like_id: NotRequired[str]
    repost_id: NotRequired[str]
    bookmark_id: NotRequired[str]
    reposted_by: NotRequired[str]  # the person again, for the index of reposts


class CommentCounts(TypedDict):
    """The counters of a comment: `social/posts/counters.py`."""

    likes: int
    replies: int


class CommentRow(CommentCounts):
    """A comment, or a reply to the comment `parent_id`, with its folded counts."""

    _id: str
    post_id: str
    parent_id: NotRequired[str | None]
    author_id: str
    text: str
    entities: NotRequired[list[EntityValue]]
    mentions: NotRequired[list[str]]
    created_at: datetime
    edited_at: datetime | None
    rev: NotRequired[int]
    version: NotRequired[int]  # changes of the counts
    hidden: NotRequired[Hidden]
    recounted_at: NotRequired[datetime]


class CommentLikeRow(TypedDict):
    """A like of a comment."""

    _id: str  # comment and person
    comment_id: str
    user_id: str
    at: datetime


class SquareValue(TypedDict):
    """A square that an avatar is shown as."""

    size: int
    tag: str


class MediaRow(TypedDict):
    """A picture; its bytes are in the blob store."""

    _id: str
    owner: str | None
    state: MediaState
    at: datetime
    post_id: str | None
    secret: str  # the key of its signed URLs
    alt: str
    mime: Mime
    width: int
    height: int
    blurhash: str
    size: int
    tag: str
    thumbnail_size: int
    thumbnail_tag: str
    truncated: NotRequired[bool]  # the file was cut off or damaged
    squares: NotRequired[dict[str, SquareValue]]  # by side, of a picture that became an avatar


class DeletionRow(TypedDict):
    """A post or comment that was deleted, until nothing is left under it."""

    _id: str
    kind: DeletedKind
    at: datetime


POSTS = Collection[PostRow]("posts")
POST_TERMS = Collection[PostTermsRow]("post_terms")
POST_REVISIONS = Collection[PostRevisionRow]("post_revisions")
INTERACTIONS = Collection[InteractionRow]("interactions")
COMMENTS = Collection[CommentRow]("comments")
COMMENT_LIKES = Collection[CommentLikeRow]("comment_likes")
MEDIA = Collection[MediaRow]("media")
DELETIONS = Collection[DeletionRow]("deletions")
