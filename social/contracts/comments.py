"""Comments, and likes of them."""

from typing import Literal

from pydantic import Field

from social.contracts.base import ClientInput, Contract, Id, Page, Time
from social.contracts.entities import Entity
from social.contracts.people import UserRef
from social.contracts.text import PostText

Sort = Literal["oldest", "newest", "top"]


class CommentPublic(Contract):
    """A comment without anything that depends on its viewer, as pushes carry it.

    `version` orders it against `comment.stats`, and `rev`, which grows with each edit, against `comment.updated`.
    """

    id: Id
    post_id: Id
    parent_id: Id | None = Field(
        default=None, description="the comment that it replies to; replies have no replies of their own"
    )
    author: UserRef
    text: str
    entities: list[Entity] = Field(default=[], description="the mentions and hashtags in the text, in order")
    created_at: Time
    edited_at: Time | None = None
    rev: int = 0
    likes: int = 0
    replies: int = 0
    version: int = 0


class Comment(CommentPublic):
    """A comment as you see it."""

    liked: bool = False

    def public(self) -> CommentPublic:
        """Return the comment without anything that depends on its viewer."""
        return CommentPublic.model_construct(**{name: self.__dict__[name] for name in CommentPublic.model_fields})


class CommentStats(Contract):
    """A comment's counts."""

    comment_id: Id
    post_id: Id
    likes: int
    replies: int
    version: int


class CommentLikeState(Contract):
    """Whether you like a comment, and its likes as counted so far (may lag a moment)."""

    comment_id: Id
    liked: bool
    likes: int
    version: int


class Comments(Page[Comment]):
    """A page of comments, in the requested order."""


class PublicComments(Page[CommentPublic]):
    """A page of comments, as anybody reads them, in the requested order."""


class NewComment(ClientInput):
    """A comment to add, or a reply to one."""

    text: PostText
    parent_id: Id | None = Field(default=None, description="the comment under the same post that this replies to")


class EditComment(ClientInput):
    """The new text of a comment."""

    text: PostText
