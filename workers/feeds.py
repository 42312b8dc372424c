"""Fans posts out to home timelines, chunk by chunk, and keeps timelines true to who follows whom."""

from collections.abc import Sequence

from social import feeds, follows, posts
from social.contracts.events import FanOutContinued, Group, PostDeleted, PostPublished, UserFollowed, UserUnfollowed
from social.contracts.pushes import FeedChanged, PostGone, post_room, user_room
from social.infra import clock
from social.infra.inbox import Happened, once
from social.infra.mongo import Transaction
from social.infra.wiring import Social


async def handle(social: Social, happened: Sequence[Happened]) -> None:
    """Each event by itself: its effect is the same when repeated."""
    for each in happened:
        at_ms = clock.millis(each.at)
        match each.event:
            case PostPublished(post_id=post_id, author_id=author_id):
                await fan_out(social, each, post_id, author_id, after="", at_ms=at_ms)
            case FanOutContinued(post_id=post_id, author_id=author_id, after=after):
                await fan_out(social, each, post_id, author_id, after=after, at_ms=at_ms)
            case PostDeleted(post_id=post_id, author_id=author_id):
                await take_out(social, post_id, author_id, at_ms)
            case (
                UserFollowed(follower_id=owner, followee_id=author_id)
                | UserUnfollowed(follower_id=owner, followee_id=author_id)
            ):
                await match_follow(social, owner, author_id, at_ms)


async def fan_out(social: Social, happened: Happened, post_id: str, author_id: str, *, after: str, at_ms: int) -> None:
    """One chunk of followers; the next one is an event of its own, so that a big author interleaves with small ones."""
    post = await posts.public(social.mongo, post_id)
    if post is None:
        return
    owners = await feeds.fan_out(social.mongo, post_id, author_id, after)
    if len(owners) == feeds.CHUNK:
        more = FanOutContinued(post_id=post_id, author_id=author_id, after=owners[-1])

        async def record(tx: Transaction, _: Sequence[Happened]) -> None:
            tx.record(more)

        await once(social, Group.FEEDS, [happened], record)
    first = not after
    rooms = [user_room(owner) for owner in ([author_id, *owners] if first else owners)]  # one's own other devices too
    await social.pushes.hint(rooms, "feed.post", post, at_ms=at_ms, author=author_id)


async def take_out(social: Social, post_id: str, author_id: str, at_ms: int) -> None:
    """A deleted post leaves every timeline, chunk by chunk."""
    gone = PostGone(post_id=post_id)
    await social.pushes.hint([post_room(post_id), user_room(author_id)], "post.deleted", gone, at_ms=at_ms)
    while owners := await feeds.take_out(social.mongo, post_id):
        rooms = [user_room(owner) for owner in owners]
        await social.pushes.hint(rooms, "post.deleted", gone, at_ms=at_ms)
    await feeds.forget_post(social.mongo, post_id)


async def match_follow(social: Social, owner: str, author_id: str, at_ms: int) -> None:
    """Make a timeline true to the edge as it is now, whichever event came first."""
    if await follows.exists(social.mongo, owner, author_id):
        await feeds.backfill(social.mongo, owner, author_id)
        changed = FeedChanged(reason="followed")
    else:
        await feeds.forget_author(social.mongo, owner, author_id)
        changed = FeedChanged(reason="unfollowed")
    await social.pushes.hint([user_room(owner)], "feed.changed", changed, at_ms=at_ms)
