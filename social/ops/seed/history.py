"""A history of made-up people: who did what and when, before anything of it is stored."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from social.contracts.posts import Visibility
from social.infra import clock


@dataclass(eq=False, kw_only=True)
class Person:
    """A person, with the weight by which others follow them."""

    username: str
    display_name: str
    bio: str
    language: str
    topics: list[str]
    weight: float
    at: datetime  # when the account was opened
    id: str = ""


@dataclass(eq=False)
class Act:
    """An act of a person at a time; its id is given when the history is complete, in the order of time."""

    by: Person
    at: datetime
    id: str = field(default="", init=False)


@dataclass(eq=False)
class Follow(Act):
    """A person begins to follow another one."""

    whom: Person


@dataclass(eq=False)
class Post(Act):
    """A person writes a post; `pictures`: how many drawn scenes it shows."""

    text: str
    visible_to: Visibility = "public"
    pictures: int = 0


@dataclass(eq=False)
class Comment(Act):
    """A person comments on a post, or answers the comment `parent`."""

    post: Post
    text: str
    parent: "Comment | None" = None


@dataclass(eq=False)
class Like(Act):
    """A person likes a post."""

    post: Post


@dataclass(eq=False)
class CommentLike(Act):
    """A person likes a comment."""

    comment: Comment


@dataclass(eq=False)
class Repost(Act):
    """A person reposts a post."""

    post: Post


@dataclass(eq=False)
class Bookmark(Act):
    """A person bookmarks a post."""

    post: Post


@dataclass(eq=False)
class Reading(Act):
    """A person reads all their notifications."""


@dataclass
class History:
    """People, and all that they did, in the order of time."""

    people: list[Person]
    acts: list[Act]

    def posts(self) -> Iterator[Post]:
        """Yield the posts, the oldest first."""
        return (act for act in self.acts if isinstance(act, Post))

    def follows(self) -> Iterator[Follow]:
        """Yield who began to follow whom, the oldest first."""
        return (act for act in self.acts if isinstance(act, Follow))


class Ids:
    """Ids of past moments: like those of `clock.new_id` they grow with time."""

    def __init__(self, unique: bytes) -> None:
        self._unique = unique[:5].hex()
        self._given = 0

    def at(self, moment: datetime) -> str:
        """Return a new id of this moment; of several in a second each is greater than those given before."""
        self._given += 1
        return f"{clock.first_id(moment)[:8]}{self._unique}{self._given:06x}"
