"""Keeps home timelines true to who follows whom, and hands what happens to posts to the fan-out."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Sequence

from social import feeds
from social.contracts.events import (
    FollowAccepted,
    FollowRequested,
    Group,
    PostPublished,
    PrivacyChanged,
    TimelineWanted,
    UserBlocked,
    UserFollowed,
    UserMuted,
    UserUnblocked,
    UserUnfollowed,
    UserUnmuted,
)
from social.contracts.pushes import FeedChanged, Reason, user_room
from social.infra import clock
from social.infra.broker.inbox import Happened, once
from social.infra.observe import logs
from social.infra.process.plaza import Social
from social.infra.store.mongo import Transaction
from social.people import edges, requests
from workers import fanout

AUTHORS_AT_ONCE = 8  # whose posts are fanned out side by side: so their reads and waits are shared


async def handle(social: Social, happened: Sequence[Happened], *, fanout_limit: int = feeds.FANOUT_LIMIT) -> None:
    """Each event by itself and in order, its effect the same when repeated; but new posts in a row together.

    What happens between people is a line that no post crosses: a timeline that is being built must not miss one.
    """
    for new_posts, run in itertools.groupby(happened, key=lambda each: isinstance(each.event, PostPublished)):
        if new_posts:
            await _fan_out(social, list(run), fanout_limit)
        else:
            for each in run:
                await _one(social, each, fanout_limit)


async def _fan_out(social: Social, published: Sequence[Happened], fanout_limit: int) -> None:
    by_author: dict[str, list[Happened]] = defaultdict(list)
    for each in published:
        assert isinstance(each.event, PostPublished)
        by_author[each.event.author_id].append(each)
    gate = asyncio.Semaphore(AUTHORS_AT_ONCE)

    async def of_author(posts: Sequence[Happened]) -> None:
        async with gate:
            for each in posts:
                await _one(social, each, fanout_limit)

    done = await asyncio.gather(*map(of_author, by_author.values()), return_exceptions=True)
    for failed in done:  # all have ended: what is handled again meets none of it
        if failed is not None:
            raise failed


async def _one(social: Social, happened: Happened, fanout_limit: int) -> None:
    with logs.working_for(happened.trace):
        if isinstance(happened.event, fanout.EVENTS):
            await fanout.handle(social, happened, limit=fanout_limit)
        else:
            await _of_people(social, happened)


async def _of_people(social: Social, happened: Happened) -> None:
    at_ms = clock.millis(happened.at)
    match happened.event:
        case TimelineWanted(user_id=owner):
            await feeds.build(social.mongo, owner)
        case UserFollowed(follower_id=owner, followee_id=author_id):
            await hold_back(social, happened, owner, author_id)
            await match_edge(social, owner, author_id, "followed", at_ms)
        case FollowAccepted(follower_id=owner, followee_id=author_id):
            await match_edge(social, owner, author_id, "followed", at_ms)
        case UserUnfollowed(follower_id=owner, followee_id=author_id):
            await match_edge(social, owner, author_id, "unfollowed", at_ms)
        case UserBlocked(by=one, user_id=other):
            await part(social, one, other, "blocked", at_ms)
        case UserUnblocked(by=one, user_id=other):
            await part(social, one, other, "unblocked", at_ms)
            for owner, author_id in ((one, other), (other, one)):
                await feeds.bring_reposts(social.mongo, owner, author_id=author_id)
        case UserMuted(by=owner, user_id=author_id) | UserUnmuted(by=owner, user_id=author_id):
            await social.pushes.control({"visibility": [owner, author_id]})
            muted = isinstance(happened.event, UserMuted)
            await match_edge(social, owner, author_id, "muted" if muted else "unmuted", at_ms)
        case PrivacyChanged(user_id=user_id, private=True):
            await social.pushes.control({"visibility": [user_id]})
        case PrivacyChanged(user_id=user_id) | FollowRequested(followee_id=user_id):
            await answer_requests(social, happened, user_id)


async def match_edge(social: Social, owner: str, author_id: str, reason: Reason, at_ms: int) -> None:
    """Make a timeline true to how its owner stands to an author now, whichever event came first."""
    edge = (await edges.between(social.mongo, [(owner, author_id)]))[owner, author_id]
    if edge.follows_at and not edge.hides:
        await feeds.backfill(social.mongo, owner, author_id)
    else:
        await feeds.forget_author(social.mongo, owner, author_id)
        if not edge.hides:
            await feeds.bring_reposts(social.mongo, owner, author_id=author_id)
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
