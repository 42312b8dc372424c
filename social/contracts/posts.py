"""Posts, comments and likes."""

from social.contracts.base import Ask, Contract, Id, Page, PostText, Time
from social.contracts.people import UserRef


class PostPublic(Contract):
    """A post as everybody sees it: what a push can carry. `version` orders it against `post.stats`."""

    id: Id
    author: UserRef
    text: str
    created_at: Time
    edited_at: Time | None = None
    likes: int
    comments: int
    version: int


class Post(PostPublic):
    """A post as one viewer sees it."""

    liked: bool

    def public(self) -> PostPublic:
        """The same without its viewer."""
        return PostPublic.model_construct(**{name: self.__dict__[name] for name in PostPublic.model_fields})


class PostStats(Contract):
    """A post's counts: the snapshot `post.watch` answers and the `post.stats` push."""

    post_id: Id
    likes: int
    comments: int
    version: int


class LikeState(Contract):
    """Whether I like it, and the likes as counted so far (may lag a moment)."""

    post_id: Id
    liked: bool
    likes: int
    version: int


class Comment(Contract):
    """One comment under a post."""

    id: Id
    post_id: Id
    author: UserRef
    text: str
    created_at: Time
    edited_at: Time | None = None
    likes: int = 0


class Posts(Page[Post]):
    """A page of posts."""


class Comments(Page[Comment]):
    """A page of comments."""


class NewPost(Ask):
    """A post to publish."""

    text: PostText


class NewComment(Ask):
    """A comment to add."""

    text: PostText
