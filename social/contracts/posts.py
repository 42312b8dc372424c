"""Posts, likes, reposts and bookmarks."""

from typing import Literal

from pydantic import Field, ValidationInfo, ValidatorFunctionWrapHandler, field_validator

from social.contracts.base import ClientInput, Contract, Id, Page, Time
from social.contracts.entities import Entity
from social.contracts.media import MediaRef
from social.contracts.people import UserRef
from social.contracts.text import CAPTION, POST, Caption, PostText

Visibility = Literal["public", "followers"]


class PostPublic(Contract):
    """A post without anything that depends on its viewer, as pushes carry it.

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
    """A post as you see it."""

    liked: bool
    reposted: bool = Field(default=False, description="by you")
    bookmarked: bool = False

    def public(self) -> PostPublic:
        """Return the post without anything that depends on its viewer."""
        return PostPublic.model_construct(**{name: self.__dict__[name] for name in PostPublic.model_fields})


class PostStats(Contract):
    """A post's counts: the answer of `post.watch` and the `post.stats` push."""

    post_id: Id
    likes: int
    comments: int
    reposts: int = 0
    version: int


class LikeState(Contract):
    """Whether you like the post, and its likes as counted so far (may lag a moment)."""

    post_id: Id
    liked: bool
    likes: int
    version: int


class RepostState(Contract):
    """Whether you repost the post, and its reposts as counted so far (may lag a moment)."""

    post_id: Id
    reposted: bool
    reposts: int
    version: int


class BookmarkState(Contract):
    """Whether the post is among your bookmarks."""

    post_id: Id
    bookmarked: bool


class FeedPost(Post):
    """A post in your home timeline; `reposted_by` is why it is there where you do not follow its author."""

    place: Id = Field(description="its place in the timeline, greater is newer: its own id, or that of the repost")
    reposted_by: UserRef | None = None


class FeedPostPublic(PostPublic):
    """A post that comes into your home timeline, pushed with its place and with who reposted it, if that is why."""

    place: Id = Field(description="its place in the timeline, greater is newer: its own id, or that of the repost")
    reposted_by: UserRef | None = None


class Feed(Page[FeedPost]):
    """A page of your home timeline."""


class Posts(Page[Post]):
    """A page of posts."""


class PublicPosts(Page[PostPublic]):
    """A page of posts, as anybody reads them."""


class Found(Page[Post]):
    """A page of the posts that match a search."""

    people: list[UserRef] = Field(
        description="the first matching people, only with the first page; all of them: GET /v1/users?q="
    )


class Revision(Contract):
    """An earlier text of a post: from its publication or edit number `rev` to the next edit."""

    rev: int
    text: str
    written_at: Time


class Revisions(Page[Revision]):
    """A page of the earlier texts of a post, newest first."""


class NewPost(ClientInput):
    """A post to publish."""

    media: list[Id] = Field(
        default=[], max_length=4, description="ids of your pictures that are in no post yet, in order"
    )
    text: PostText = Field(description=f"{POST.described}; with pictures it may be empty")
    visibility: Visibility = Field(default="public", description="for everybody, or for your followers")

    @field_validator("text", mode="wrap")
    @classmethod
    def _or_pictures(cls, value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> str:
        if isinstance(value, str) and not value.strip() and info.data.get("media"):
            return ""
        return str(check(value))


class EditPost(ClientInput):
    """The new text of a post; its pictures and visibility stay as they are."""

    text: Caption = Field(description=f"{CAPTION.described}; with pictures it may be empty")
