"""The events that the acts of a history record, as their verbs do."""

from collections.abc import Sequence

from social.contracts.events import (
    CommentAdded,
    CommentLiked,
    Event,
    PostLiked,
    PostPublished,
    PostReposted,
    UserFollowed,
)
from social.ops.seed.history import Act, Comment, CommentLike, Follow, Like, Post, Repost


def of(act: Act, mentions: Sequence[str]) -> Event | None:
    """Return the event of an act, or None where nobody else hears of it; `mentions`: whom its text names."""
    by = act.by.id
    event: Event | None = None
    match act:
        case Follow():
            event = UserFollowed(follower_id=by, followee_id=act.whom.id)
        case Post():
            event = PostPublished(post_id=act.id, author_id=by, mentions=[*mentions])
        case Comment():
            parent = {"parent_id": act.parent.id, "parent_author_id": act.parent.by.id} if act.parent else {}
            about = {**_about(act.post), "comment_id": act.id, **parent}
            event = CommentAdded(**about, by=by, mentions=[*mentions])
        case Like():
            event = PostLiked(**_about(act.post), by=by)
        case Repost():
            event = PostReposted(**_about(act.post), by=by, repost_id=act.id)
        case CommentLike():
            liked = act.comment
            event = CommentLiked(**_about(liked.post), comment_id=liked.id, comment_author_id=liked.by.id, by=by)
    return event


def _about(post: Post) -> dict[str, str]:
    return {"post_id": post.id, "author_id": post.by.id}
