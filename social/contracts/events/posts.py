"""Events of posts, comments, likes and reposts."""

from typing import Literal

from pydantic import Field

from social.contracts.base import Id
from social.contracts.events.base import AboutPost, Event, Group


class PostPublished(AboutPost):
    """A post was published; `mentions` are the people its text names."""

    routing_key = "post.published"
    groups = (Group.FEEDS, Group.COUNTERS, Group.NOTIFICATIONS)
    mentions: list[Id] = Field(default_factory=list)


class PostEdited(AboutPost):
    """A post was edited; `mentions` are the people its text names now."""

    routing_key = "post.edited"
    groups = (Group.FEEDS, Group.NOTIFICATIONS)
    mentions: list[Id] = Field(default_factory=list)


class FanOutContinued(AboutPost):
    """The next chunk of the fan-out of a post: the author's followers after `after`, or those of the reposter `by`."""

    routing_key = "post.fan_out_continued"
    groups = (Group.FEEDS,)
    after: Id
    by: Id | None = None
    repost_id: Id | None = None


class PostDeleted(AboutPost):
    routing_key = "post.deleted"
    groups = (Group.FEEDS, Group.COUNTERS, Group.NOTIFICATIONS)


class PostLiked(AboutPost):
    routing_key = "post.liked"
    groups = (Group.NOTIFICATIONS, Group.COUNTERS)
    by: Id


class PostUnliked(AboutPost):
    routing_key = "post.unliked"
    groups = (Group.NOTIFICATIONS, Group.COUNTERS)
    by: Id


class _Repost(AboutPost):
    """A repost of a post by `by` to their own followers; `repost_id` gives its time."""

    groups = (Group.NOTIFICATIONS, Group.FEEDS, Group.COUNTERS)
    by: Id
    repost_id: Id


class PostReposted(_Repost):
    routing_key = "post.reposted"


class PostUnreposted(_Repost):
    routing_key = "post.unreposted"


class _OfComment(AboutPost):
    groups = (Group.NOTIFICATIONS, Group.COUNTERS)
    comment_id: Id
    by: Id


class _AboutComment(_OfComment):
    """A comment by `by`; a reply names the comment `parent_id` of `parent_author_id`."""

    parent_id: Id | None = None
    parent_author_id: Id | None = None


class CommentAdded(_AboutComment):
    routing_key = "comment.added"
    mentions: list[Id] = Field(default_factory=list)


class CommentEdited(_AboutComment):
    routing_key = "comment.edited"
    mentions: list[Id] = Field(default_factory=list)


class CommentDeleted(_AboutComment):
    routing_key = "comment.deleted"


class _CommentLike(_OfComment):
    """A like by `by` of the comment of `comment_author_id`."""

    comment_author_id: Id


class CommentLiked(_CommentLike):
    routing_key = "comment.liked"


class CommentUnliked(_CommentLike):
    routing_key = "comment.unliked"


class Recounted(Event):
    """Wrong counts were corrected: pushes them to the watching clients."""

    routing_key = "counts.recounted"
    groups = (Group.COUNTERS,)
    collection: Literal["posts", "comments", "users"]
    id: Id

    @property
    def key(self) -> str:
        return f"{self.collection}:{self.id}"
