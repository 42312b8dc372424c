"""Whom an event concerns, what it takes back, and whether that still holds when it is told."""

from collections.abc import Sequence

from social import comments, edges, likes, posts
from social.contracts.events import (
    CommentAdded,
    Event,
    FollowAccepted,
    FollowRequestClosed,
    FollowRequested,
    PostLiked,
    UserBlocked,
    UserFollowed,
)
from social.infra.mongo import Transaction, Where
from social.notifications import Cause


def of(event: Event) -> Cause | None:
    """Whom an event concerns, if anybody."""
    match event:
        case PostLiked():
            return Cause("like", "post", event.post_id, event.by, event.author_id, event.post_id)
        case CommentAdded():
            author, post_id = event.author_id, event.post_id
            return Cause("comment", "post", post_id, event.by, author, post_id, instance=event.comment_id)
        case UserFollowed():
            return Cause("follow", "user", event.followee_id, event.follower_id, event.followee_id, None)
        case FollowRequested():
            return _asked(event.follower_id, event.followee_id)
        case FollowAccepted():
            return Cause("follow_accepted", "user", event.follower_id, event.followee_id, event.follower_id, None)
    return None


def untold_by(event: Event) -> tuple[tuple[str, str], Where] | None:
    """The facts that an event takes back, if any, and the edge that says so."""
    match event:
        case FollowRequestClosed() | FollowAccepted():
            asked = _asked(event.follower_id, event.followee_id)
            return (event.follower_id, event.followee_id), {"_id": asked.fact_id}
        case UserBlocked(by=one, user_id=other):
            return (one, other), {"recipient": {"$in": [one, other]}, "actor": {"$in": [one, other]}}
    return None


async def still_true(tx: Transaction, causes: Sequence[Cause]) -> list[Cause]:
    """Those that nothing has taken back since, and whose recipient hears of their actor."""
    liked = [(cause.target_id, cause.actor) for cause in causes if cause.type == "like"]
    said = [cause.instance for cause in causes if cause.type == "comment"]
    likes_now = await likes.existing(tx, liked) if liked else set()
    comments_now = await comments.existing(tx, said) if said else set()
    about = [cause.post_id for cause in causes if cause.post_id is not None]
    posts_now = await posts.existing(tx, about) if about else set()  # likes and comments outlive their post a moment
    ways = {(cause.recipient, cause.actor) for cause in causes}
    between = await edges.between(tx, ways | {(actor, recipient) for recipient, actor in ways})

    def true(cause: Cause) -> bool:
        out, back = between[cause.recipient, cause.actor], between[cause.actor, cause.recipient]
        if out.hides:
            return False
        match cause.type:
            case "like":
                return (cause.target_id, cause.actor) in likes_now and cause.post_id in posts_now
            case "follow":
                return bool(back.follows_at)
            case "follow_request":
                return bool(back.requested_at)
            case "follow_accepted":
                return bool(out.follows_at)
            case "comment":
                return cause.instance in comments_now and cause.post_id in posts_now

    return [cause for cause in causes if true(cause)]


async def untold(tx: Transaction, events: Sequence[Event]) -> list[Where]:
    """The facts to take back, unless what took them back was itself taken back since."""
    taken = [(event, *by) for event in events if (by := untold_by(event))]
    between = await edges.between(tx, {pair for _, pair, _ in taken})
    return [
        where
        for event, pair, where in taken
        if (between[pair].apart if isinstance(event, UserBlocked) else not between[pair].requested_at)
    ]


def _asked(follower_id: str, followee_id: str) -> Cause:
    return Cause("follow_request", "user", followee_id, follower_id, followee_id, None)
