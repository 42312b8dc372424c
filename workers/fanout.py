"""The fan-out of posts to home timelines in chunks of followers, and their removal."""

from collections.abc import Sequence
from functools import partial

from social import feeds
from social.contracts.events import (
    Event,
    FanOutContinued,
    Group,
    MergingContinued,
    PostDeleted,
    PostEdited,
    PostPublished,
    PostReposted,
    PostUnreposted,
)
from social.contracts.posts import FeedPostPublic
from social.contracts.pushes import PostGone, post_room, user_room
from social.feeds import Repost
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent, once
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Transaction
from social.infra.store.rows import POSTS
from social.people import users, visibility
from social.posts import publishing

EVENTS = (PostPublished, FanOutContinued, MergingContinued, PostEdited, PostDeleted, PostReposted, PostUnreposted)


async def handle(plaza: Plaza, happened: ReceivedEvent, *, limit: int) -> None:
    """Apply an event of a post; above `limit` followers posts are merged on read, and nobody sees them live."""
    at_ms = clock.millis(happened.at)
    match happened.event:
        case PostPublished(post_id=post_id, author_id=author_id):
            if await is_merged(plaza, author_id, limit):
                await plaza.lines.forget([author_id])
                await push_live(plaza, post_id, author_id, [author_id], at_ms)
            else:
                await fan_out(plaza, happened, post_id, author_id, after="", at_ms=at_ms)
        case FanOutContinued(by=str(by), repost_id=str(repost_id), after=after) as event:
            repost = Repost(event.post_id, event.author_id, by, repost_id)
            await fan_out_repost(plaza, happened, repost, after=after, at_ms=at_ms)
        case PostReposted(by=by, repost_id=repost_id) | PostUnreposted(by=by, repost_id=repost_id) as event:
            repost = Repost(event.post_id, event.author_id, by, repost_id)
            await fan_out_repost(plaza, happened, repost, after="", at_ms=at_ms)
        case FanOutContinued(post_id=post_id, author_id=author_id, after=after):
            await fan_out(plaza, happened, post_id, author_id, after=after, at_ms=at_ms)
        case MergingContinued(author_id=author_id, after=after):
            await merge(plaza, happened, author_id, after=after or "")
        case PostEdited(post_id=post_id, author_id=author_id):
            await push_edit(plaza, post_id, author_id, at_ms)
        case PostDeleted(post_id=post_id, author_id=author_id):
            await remove(plaza, post_id, author_id, at_ms)


async def is_merged(plaza: Plaza, author_id: str, limit: int) -> bool:
    """Return whether an author's posts are merged when timelines are read; switch the author where that is due.

    A cached card may decide for a fan-out, because a post that is both fanned out and merged is shown once. Only a
    fresh read decides for merging: else new followers, who do not merge this author yet, would miss the post.
    """
    card = (await users.all_cards(plaza.mongo, [author_id])).get(author_id)
    if card is None:
        return False
    if feeds.changes_side(card, limit) is not None:
        _, tx = await plaza.mongo.transact(partial(feeds.change_side, author_id=author_id, limit=limit))
        plaza.publisher.offer(tx.recorded)
    elif not card.get("merged"):
        return False
    return await feeds.is_merged(plaza.mongo, author_id)


async def fan_out(
    plaza: Plaza, happened: ReceivedEvent, post_id: str, author_id: str, *, after: str, at_ms: int
) -> None:
    """Fan a post out to a chunk of followers; the next chunk is an event, so that other authors have their turn.

    Posts of a suspended author are fanned out too: nobody sees them until the suspension is lifted.
    """
    if not await plaza.mongo.get(POSTS, post_id, ("_id",)):
        return
    reached = await feeds.fan_out(plaza.mongo, post_id, author_id, after)
    await plaza.lines.forget([author_id, *reached.owners])
    if reached.after is not None:
        await go_on(plaza, happened, FanOutContinued(post_id=post_id, author_id=author_id, after=reached.after))
    first = not after
    await push_live(plaza, post_id, author_id, [author_id, *reached.owners] if first else reached.owners, at_ms)


async def fan_out_repost(plaza: Plaza, happened: ReceivedEvent, repost: Repost, *, after: str, at_ms: int) -> None:
    """Fan a repost out to a chunk of the reposter's followers, however many there are: a repost is not urgent."""
    reached = await feeds.fan_out_repost(plaza.mongo, repost, after)
    await plaza.lines.forget(reached.owners)
    if reached.after is not None:
        post_id, author_id, by, repost_id = repost
        more = FanOutContinued(post_id=post_id, author_id=author_id, after=reached.after, by=by, repost_id=repost_id)
        await go_on(plaza, happened, more)
    await push_repost(plaza, repost, reached.owners, at_ms)


async def push_repost(plaza: Plaza, repost: Repost, owners: Sequence[str], at_ms: int) -> None:
    """Push a repost live to those of `owners` who are connected and whose timelines show the post because of it."""
    rooms = await plaza.pushes.watched([user_room(owner) for owner in owners])
    here = [owner for owner in owners if user_room(owner) in rooms]
    if not here or not (shown := await feeds.showing(plaza.mongo, repost, here)):
        return
    post, by = await publishing.public(plaza.mongo, repost.post_id), await users.refs(plaza.mongo, [repost.by])
    if post is None or post.visibility != "public" or repost.by not in by:
        return
    line = FeedPostPublic.model_construct(**dict(post), place=repost.id, reposted_by=by[repost.by])
    rooms_shown = [user_room(owner) for owner in shown]
    await plaza.pushes.hint(rooms_shown, "feed.post", line, at_ms=at_ms, author=repost.author_id)


async def push_live(plaza: Plaza, post_id: str, author_id: str, owners: Sequence[str], at_ms: int) -> None:
    """Push a post live to the timelines of `owners`, if it can still be seen."""
    if post := await publishing.public(plaza.mongo, post_id):
        rooms = [user_room(owner) for owner in owners]
        line = FeedPostPublic.model_construct(**dict(post), place=post_id)
        await plaza.pushes.hint(rooms, "feed.post", line, at_ms=at_ms, author=author_id)


async def merge(plaza: Plaza, happened: ReceivedEvent, author_id: str, *, after: str) -> None:
    """Have a chunk of followers merge an author's posts from now on."""
    last = await feeds.merge_into(plaza.mongo, author_id, after)
    if last is not None:
        await go_on(plaza, happened, MergingContinued(author_id=author_id, after=last))


async def go_on(plaza: Plaza, happened: ReceivedEvent, event: Event) -> None:
    """Record the event of the next chunk, once for each event handled."""

    async def record(tx: Transaction, _: Sequence[ReceivedEvent]) -> None:
        tx.record(event)

    await once(plaza, Group.FEEDS, [happened], record)


async def push_edit(plaza: Plaza, post_id: str, author_id: str, at_ms: int) -> None:
    """Push an edited post to its watchers, its author, and people who have it in their timeline and may see it.

    People can have it and not see it any more, where an unfollow is handled later than an edit that came after it.
    """
    post = await publishing.public(plaza.mongo, post_id)
    if post is None:
        return
    rooms = [post_room(post_id), user_room(author_id)]
    see = visibility.followed if post.visibility == "followers" else visibility.shown
    async for owners in feeds.holders(plaza.mongo, post_id):
        pairs = {(owner, author_id) for owner in owners if owner != author_id}
        rooms += [user_room(owner) for owner, _ in sorted(await see(plaza.mongo, pairs))]
        await plaza.pushes.hint(rooms, "post.updated", post, at_ms=at_ms, author=author_id)
        rooms = []


async def remove(plaza: Plaza, post_id: str, author_id: str, at_ms: int) -> None:
    """Remove a deleted post from all timelines, in chunks, and push its deletion."""
    gone = PostGone(post_id=post_id)
    await plaza.pushes.hint([post_room(post_id), user_room(author_id)], "post.deleted", gone, at_ms=at_ms)
    while owners := await feeds.take_out(plaza.mongo, post_id):
        rooms = [user_room(owner) for owner in owners]
        await plaza.pushes.hint(rooms, "post.deleted", gone, at_ms=at_ms)
