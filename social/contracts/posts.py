"""Posts, and likes of them."""

from typing import Literal

from pydantic import Field, ValidationInfo, ValidatorFunctionWrapHandler, field_validator

from social.contracts.base import Ask, Contract, Id, Page, Time
from social.contracts.entities import Entity
from social.contracts.media import MediaRef
from social.contracts.people import UserRef
from social.contracts.text import CAPTION, POST, Caption, PostText

Visibility = Literal["public", "followers"]


class PostPublic(Contract):
    """A post as everybody sees it: what a push can carry.

    `version` orders it against `post.stats`, and `rev`, which grows with each edit, against `post.updated`.
    """

    id: Id
    author: UserRef
    text: str
    entities: list[Entity] = Field(default=[], description="the mentions and hashtags in the text, in order")
    media: list[MediaRef] = Field(default=[])
    visibility: Visibility = "public"
    created_at: Time
    edited_at: Time | None = None
    rev: int = 0
    likes: int
    comments: int
    reposts: int = 0
    version: int


class Post(PostPublic):
    """A post as one viewer sees it."""

    liked: bool
    reposted: bool = Field(default=False, description="by me")
    bookmarked: bool = False

    def public(self) -> PostPublic:
        """The same without its viewer."""
        return PostPublic.model_construct(**{name: self.__dict__[name] for name in PostPublic.model_fields})


class PostStats(Contract):
    """A post's counts: the snapshot `post.watch` answers and the `post.stats` push."""

    post_id: Id
    likes: int
    comments: int
    reposts: int = 0
    version: int


class LikeState(Contract):
    """Whether I like it, and the likes as counted so far (may lag a moment)."""

    post_id: Id
    liked: bool
    likes: int
    version: int


class RepostState(Contract):
    """Whether I repost it, and the reposts as counted so far (may lag a moment)."""

    post_id: Id
    reposted: bool
    reposts: int
    version: int


class BookmarkState(Contract):
    """Whether I keep it."""

    post_id: Id
    bookmarked: bool


class FeedPost(Post):
    """A post in a home timeline; `reposted_by` is why it is there where I do not follow its author."""

    place: Id = Field(description="where it stands, greater is newer: its own id, or that of the repost")
    reposted_by: UserRef | None = None


class Feed(Page[FeedPost]):
    """A page of a home timeline."""


class Posts(Page[Post]):
    """A page of posts."""


class Found(Page[Post]):
    """A page of the posts that were found."""

    people: list[UserRef] = Field(description="the first people found, beside the first page; all: GET /v1/users?q=")


class Revision(Contract):
    """What a post said once: from its writing or its edit number `rev` on, until the next edit."""

    rev: int
    text: str
    written_at: Time


class Revisions(Page[Revision]):
    """A page of what a post said before, newest first."""


class NewPost(Ask):
    """A post to publish."""

    media: list[Id] = Field(default=[], max_length=4, description="pictures of mine that no post shows yet, in order")
    text: PostText = Field(description=f"{POST.described}; with pictures it may be empty")
    visibility: Visibility = Field(default="public", description="for everybody, or for those who follow me")

    @field_validator("text", mode="wrap")
    @classmethod
    def _or_pictures(cls, value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> str:
        if isinstance(value, str) and not value.strip() and info.data.get("media"):
            return ""
        return str(check(value))


class EditPost(Ask):
    """What a post says from now on; its pictures, and for whom it is, stay as they are."""

    text: Caption = Field(description=f"{CAPTION.described}; with pictures it may be empty")
