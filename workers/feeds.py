"""The consumer of home timelines: applies follows, blocks and mutes, and hands events of posts to the fan-out."""

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
from social.infra.broker.inbox import ReceivedEvent, once
from social.infra.observe import logs
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Transaction
from social.infra.store.rows import USERS
from social.people import edges, requests
from workers import fanout

AUTHORS_AT_ONCE = 8  # authors whose posts are fanned out concurrently, which shares their reads and waits


async def handle(plaza: Plaza, happened: Sequence[ReceivedEvent], *, fanout_limit: int = feeds.FANOUT_LIMIT) -> None:
    """Handle events in order, each idempotently, but a run of new posts concurrently.

    No post overtakes an event between people: a timeline that is being built must not miss a post.
    """
    for new_posts, run in itertools.groupby(happened, key=lambda each: isinstance(each.event, PostPublished)):
        if new_posts:
            await _fan_out(plaza, list(run), fanout_limit)
        else:
            for each in run:
                await _one(plaza, each, fanout_limit)


async def _fan_out(plaza: Plaza, published: Sequence[ReceivedEvent], fanout_limit: int) -> None:
    by_author: dict[str, list[ReceivedEvent]] = defaultdict(list)
    for each in published:
        assert isinstance(each.event, PostPublished)
        by_author[each.event.author_id].append(each)
    gate = asyncio.Semaphore(AUTHORS_AT_ONCE)

    async def of_author(posts: Sequence[ReceivedEvent]) -> None:
        async with gate:
            for each in posts:
                await _one(plaza, each, fanout_limit)

    done = await asyncio.gather(*map(of_author, by_author.values()), return_exceptions=True)
    for failed in done:  # all have ended, so that a retry does not run beside them
        if failed is not None:
            raise failed


async def _one(plaza: Plaza, happened: ReceivedEvent, fanout_limit: int) -> None:
    with logs.working_for(happened.trace):
        if isinstance(happened.event, fanout.EVENTS):
            await fanout.handle(plaza, happened, limit=fanout_limit)
        else:
            await _of_people(plaza, happened)


async def _of_people(plaza: Plaza, happened: ReceivedEvent) -> None:
    at_ms = clock.millis(happened.at)
    match happened.event:
        case TimelineWanted(user_id=owner):
            await feeds.build(plaza.mongo, owner)
            await plaza.lines.forget([owner])
        case UserFollowed(follower_id=owner, followee_id=author_id):
            await hold_back(plaza, happened, owner, author_id)
            await match_edge(plaza, owner, author_id, "followed", at_ms)
        case FollowAccepted(follower_id=owner, followee_id=author_id):
            await match_edge(plaza, owner, author_id, "followed", at_ms)
        case UserUnfollowed(follower_id=owner, followee_id=author_id):
            await match_edge(plaza, owner, author_id, "unfollowed", at_ms)
        case UserBlocked(by=one, user_id=other):
            await part(plaza, one, other, "blocked", at_ms)
        case UserUnblocked(by=one, user_id=other):
            await part(plaza, one, other, "unblocked", at_ms)
            for owner, author_id in ((one, other), (other, one)):
                await feeds.bring_reposts(plaza.mongo, owner, author_id=author_id)
                await plaza.lines.forget([owner])
        case UserMuted(by=owner, user_id=author_id) | UserUnmuted(by=owner, user_id=author_id):
            await plaza.pushes.control({"visibility": [owner, author_id]})
            muted = isinstance(happened.event, UserMuted)
            await match_edge(plaza, owner, author_id, "muted" if muted else "unmuted", at_ms)
        case PrivacyChanged(user_id=user_id, private=True):
            await plaza.pushes.control({"visibility": [user_id]})
        case PrivacyChanged(user_id=user_id) | FollowRequested(followee_id=user_id):
            await answer_requests(plaza, happened, user_id)


async def match_edge(plaza: Plaza, owner: str, author_id: str, reason: Reason, at_ms: int) -> None:
    """Add or remove an author's posts in a timeline by the edge as it is now, in whichever order events come."""
    edge = (await edges.between(plaza.mongo, [(owner, author_id)]))[owner, author_id]
    if edge.follows_at and not edge.hides:
        await feeds.backfill(plaza.mongo, owner, author_id)
    else:
        await feeds.forget_author(plaza.mongo, owner, author_id)
        if not edge.hides:
            await feeds.bring_reposts(plaza.mongo, owner, author_id=author_id)
    await plaza.lines.forget([owner])
    await plaza.pushes.hint([user_room(owner)], "feed.changed", FeedChanged(reason=reason), at_ms=at_ms)


async def part(plaza: Plaza, one: str, other: str, reason: Reason, at_ms: int) -> None:
    """Refresh what two people see after a block or its end; only the blocker is notified, the other must not notice.

    A follow that ends with the block has an event of its own.
    """
    await plaza.pushes.control({"visibility": [one, other]})
    await plaza.pushes.hint([user_room(one)], "feed.changed", FeedChanged(reason=reason), at_ms=at_ms)


async def hold_back(plaza: Plaza, happened: ReceivedEvent, follower: str, followee: str) -> None:
    """Turn a follow back into a request where the account became private at the moment of the follow."""

    async def record(tx: Transaction, _: Sequence[ReceivedEvent]) -> None:
        await requests.hold_back(tx, follower, followee, happened.at)

    if await plaza.mongo.one(USERS, {"_id": followee, "private": True}, {"_id": 1}):
        await once(plaza, Group.FEEDS, [happened], record)


async def answer_requests(plaza: Plaza, happened: ReceivedEvent, user_id: str) -> None:
    """Accept the requests to an account that is public now, in chunks, also those made at the moment of the change."""

    async def record(tx: Transaction, _: Sequence[ReceivedEvent]) -> None:
        if await requests.accept_some(tx, user_id):
            tx.record(PrivacyChanged(user_id=user_id, private=False))

    await once(plaza, Group.FEEDS, [happened], record)
