"""Fans posts out to home timelines, chunk by chunk, and keeps timelines true to who follows whom."""

from collections.abc import Sequence

from social import edges, feeds, posts, requests
from social.contracts.events import (
    FanOutContinued,
    FollowAccepted,
    FollowRequested,
    Group,
    PostDeleted,
    PostEdited,
    PostPublished,
    PrivacyChanged,
    UserBlocked,
    UserFollowed,
    UserMuted,
    UserUnblocked,
    UserUnfollowed,
    UserUnmuted,
)
from social.contracts.pushes import FeedChanged, PostGone, Reason, post_room, user_room
from social.infra import clock
from social.infra.inbox import Happened, once
from social.infra.mongo import Transaction
from social.infra.wiring import Social


async def handle(social: Social, happened: Sequence[Happened]) -> None:  # noqa: PLR0912 - a line or two an event
    """Each event by itself: its effect is the same when repeated."""
    for each in happened:
        at_ms = clock.millis(each.at)
        match each.event:
            case PostPublished(post_id=post_id, author_id=author_id):
                await fan_out(social, each, post_id, author_id, after="", at_ms=at_ms)
            case FanOutContinued(post_id=post_id, author_id=author_id, after=after):
                await fan_out(social, each, post_id, author_id, after=after, at_ms=at_ms)
            case PostEdited(post_id=post_id, author_id=author_id):
                await tell_of_edit(social, post_id, author_id, at_ms)
            case PostDeleted(post_id=post_id, author_id=author_id):
                await take_out(social, post_id, author_id, at_ms)
            case UserFollowed(follower_id=owner, followee_id=author_id):
                await hold_back(social, each, owner, author_id)
                await match_edge(social, owner, author_id, "followed", at_ms)
            case FollowAccepted(follower_id=owner, followee_id=author_id):
                await match_edge(social, owner, author_id, "followed", at_ms)
            case UserUnfollowed(follower_id=owner, followee_id=author_id):
                await match_edge(social, owner, author_id, "unfollowed", at_ms)
            case UserBlocked(by=one, user_id=other):
                await part(social, one, other, "blocked", at_ms)
            case UserUnblocked(by=one, user_id=other):
                await part(social, one, other, "unblocked", at_ms)
            case UserMuted(by=owner, user_id=author_id) | UserUnmuted(by=owner, user_id=author_id):
                await social.pushes.control({"visibility": [owner, author_id]})
                muted = isinstance(each.event, UserMuted)
                await match_edge(social, owner, author_id, "muted" if muted else "unmuted", at_ms)
            case PrivacyChanged(user_id=user_id, private=True):
                await social.pushes.control({"visibility": [user_id]})
            case PrivacyChanged(user_id=user_id) | FollowRequested(followee_id=user_id):
                await answer_requests(social, each, user_id)


async def fan_out(social: Social, happened: Happened, post_id: str, author_id: str, *, after: str, at_ms: int) -> None:
    """One chunk of followers; the next one is an event of its own, so that a big author interleaves with small ones."""
    post = await posts.public(social.mongo, post_id)
    if post is None:
        return
    owners, last = await feeds.fan_out(social.mongo, post_id, author_id, after)
    if last is not None:
        more = FanOutContinued(post_id=post_id, author_id=author_id, after=last)

        async def record(tx: Transaction, _: Sequence[Happened]) -> None:
            tx.record(more)

        await once(social, Group.FEEDS, [happened], record)
    first = not after
    rooms = [user_room(owner) for owner in ([author_id, *owners] if first else owners)]  # one's own other devices too
    await social.pushes.hint(rooms, "feed.post", post, at_ms=at_ms, author=author_id)


async def tell_of_edit(social: Social, post_id: str, author_id: str, at_ms: int) -> None:
    """What a post says now, to whoever watches it and to its author's other devices."""
    post = await posts.public(social.mongo, post_id)
    if post is not None:
        rooms = [post_room(post_id), user_room(author_id)]
        await social.pushes.hint(rooms, "post.updated", post, at_ms=at_ms, author=author_id)


async def take_out(social: Social, post_id: str, author_id: str, at_ms: int) -> None:
    """A deleted post leaves every timeline, chunk by chunk."""
    gone = PostGone(post_id=post_id)
    await social.pushes.hint([post_room(post_id), user_room(author_id)], "post.deleted", gone, at_ms=at_ms)
    while owners := await feeds.take_out(social.mongo, post_id):
        rooms = [user_room(owner) for owner in owners]
        await social.pushes.hint(rooms, "post.deleted", gone, at_ms=at_ms)


async def match_edge(social: Social, owner: str, author_id: str, reason: Reason, at_ms: int) -> None:
    """Make a timeline true to how its owner stands to an author now, whichever event came first."""
    edge = (await edges.between(social.mongo, [(owner, author_id)]))[owner, author_id]
    if edge.follows_at and not edge.hides:
        await feeds.backfill(social.mongo, owner, author_id)
    else:
        await feeds.forget_author(social.mongo, owner, author_id)
    await social.pushes.hint([user_room(owner)], "feed.changed", FeedChanged(reason=reason), at_ms=at_ms)


async def part(social: Social, one: str, other: str, reason: Reason, at_ms: int) -> None:
    """Two people see something else now, at once; only who blocks is told, for the other is not to notice.

    Whether a follow of theirs ended with it, they hear by its own event.
    """
    await social.pushes.control({"visibility": [one, other]})
    await social.pushes.hint([user_room(one)], "feed.changed", FeedChanged(reason=reason), at_ms=at_ms)


async def hold_back(social: Social, happened: Happened, follower: str, followee: str) -> None:
    """Nobody follows a private account unasked: one that was public a moment ago is looked at again here."""

    async def record(tx: Transaction, _: Sequence[Happened]) -> None:
        await requests.hold_back(tx, follower, followee, happened.at)

    if await social.mongo.one("users", {"_id": followee, "private": True}, {"_id": 1}):
        await once(social, Group.FEEDS, [happened], record)


async def answer_requests(social: Social, happened: Happened, user_id: str) -> None:
    """Nobody waits for a public account: a request that met its change of mind is accepted here too, chunk by chunk."""

    async def record(tx: Transaction, _: Sequence[Happened]) -> None:
        if await requests.accept_some(tx, user_id):
            tx.record(PrivacyChanged(user_id=user_id, private=False))

    await once(social, Group.FEEDS, [happened], record)
