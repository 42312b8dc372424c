"""Blocks, mutes and private accounts on live sockets: at once, on every gateway, with Redis and without."""

import asyncio
from unittest.mock import AsyncMock, Mock

import pytest
from support.sockets import until

from social.contracts.events import (
    CommentAdded,
    CommentDeleted,
    CommentEdited,
    PostEdited,
    PostPublished,
    UserBlocked,
    UserUnblocked,
    UserUnfollowed,
)
from social.contracts.problems import NotFound, Unavailable
from social.contracts.pushes import post_room, presence_room, user_room
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent
from social.people import blocks, edges, follows, mutes, privacy, requests, visibility_log
from social.posts import access, comments, edits, publishing
from workers import counters, feeds


@pytest.fixture
async def broken_redis(redis_server):
    """The test session's Redis server, which runs again after the test in any case."""
    yield redis_server
    await redis_server.start()


@pytest.fixture
async def eve(world):
    return await world.person("eve")


async def commit(world, verb, whom, *, by):
    return await world.plaza.commit(verb, whom.username, by=by.id)


async def watch(wire, *people):
    answer = await wire.ask("presence.watch", {"user_ids": [each.id for each in people]})
    return [(each["user_id"], each["online"]) for each in answer["data"]["people"]]


async def sees(wire, *people):
    """Wait until a client sees a person online: a connect is announced a moment later."""

    async def online():
        return await watch(wire, *people) == [(each.id, True) for each in people]

    await until(online)


async def loses(wire, person):
    """Wait until a client sees a person offline."""
    last = {}

    def offline():
        last.update({each["user_id"]: each["online"] for each in wire.named("presence")})
        return last.get(person.id) is False

    await wire.until(offline)


async def say(world, room, event, data, author):
    await world.plaza.pushes.hint([room], event, data, at_ms=1, author=author.id)


async def test_a_block_parts_two_who_are_connected_to_different_gateways(world, ada, bob, eve):
    first, second = await world.gateway(), await world.gateway()
    hers, his, third = await ada.connect(first), await bob.connect(second), await eve.connect(second)
    post, meeting = await ada.publish(), await eve.publish()
    for wire in (hers, his, third):
        assert (await wire.ask("post.watch", {"post_id": meeting}))["ok"]
    assert (await his.ask("post.watch", {"post_id": post}))["ok"]
    await sees(hers, bob)
    await sees(his, ada, eve)

    await commit(world, blocks.block, bob, by=ada)
    await world.plaza.pushes.control({"visibility": [ada.id, bob.id]})
    await loses(hers, bob)
    await loses(his, ada)
    his_session = second.sockets.get(his.sid)
    assert his_session.rooms == {post_room(meeting), presence_room(eve.id)}
    assert first.sockets.get(hers.sid).rooms == {post_room(meeting)}
    assert (await his.ask("post.watch", {"post_id": post}))["problem"]["code"] == "not_found"
    assert (await his.ask("post.like", {"post_id": post}))["problem"]["code"] == "not_found"
    assert (await his.ask("comment.create", {"post_id": post, "text": "x"}))["problem"]["code"] == "not_found"
    assert (await his.ask("user.follow", {"username": ada.username}))["problem"]["code"] == "not_found"
    assert await watch(his, ada) == []
    assert await watch(hers, bob) == []

    assert (await his.ask("typing", {"post_id": meeting}))["ok"]
    await say(world, post_room(meeting), "comment.created", {"n": 1}, bob)
    await say(world, post_room(meeting), "comment.created", {"n": 2}, ada)
    await say(world, user_room(ada.id), "feed.post", {"n": 3}, bob)
    await say(world, post_room(meeting), "comment.created", {"n": 4}, eve)
    for wire in (hers, his, third):
        await wire.until(lambda wire=wire: {"n": 4} in wire.named("comment.created"))
    assert third.named("comment.created") == [{"n": 1}, {"n": 2}, {"n": 4}]
    assert hers.named("comment.created") == [{"n": 2}, {"n": 4}]
    assert his.named("comment.created") == [{"n": 1}, {"n": 4}]
    assert (len(third.named("typing")), hers.named("typing"), hers.named("feed.post")) == (1, [], [])

    await commit(world, blocks.unblock, bob, by=ada)
    await until(lambda: not first.sockets.get(hers.sid).hidden and not his_session.hidden)
    assert (await his.ask("post.watch", {"post_id": post}))["ok"]


@pytest.mark.parametrize("redis", ["silent", "away"])
async def test_a_block_is_found_without_redis(world, ada, bob, broken_redis, redis):
    first, second = await world.gateway(confirm_s=0.2), await world.gateway(confirm_s=0.2)
    his, hers = await bob.connect(first), await ada.connect(second)
    post = await ada.publish()
    assert (await his.ask("post.watch", {"post_id": post}))["ok"]
    if redis == "away":
        await broken_redis.kill()
    await commit(world, blocks.block, bob, by=ada)
    await world.within(3, until(lambda: first.sockets.get(his.sid).hides(ada.id)))
    await world.within(3, until(lambda: second.sockets.get(hers.sid).hides(bob.id)))
    await world.within(3, until(lambda: first.sockets.get(his.sid).rooms == set()))


async def test_who_connects_does_not_hear_those_they_are_apart_from(world, gateway, ada, bob, eve):
    meeting = await eve.publish()
    await commit(world, blocks.block, bob, by=ada)
    hers, his = await ada.connect(gateway), await bob.connect(gateway)
    for wire in (hers, his):
        await wire.ask("post.watch", {"post_id": meeting})
    await say(world, post_room(meeting), "comment.created", {"n": 1}, ada)
    await say(world, post_room(meeting), "comment.created", {"n": 2}, bob)
    await say(world, post_room(meeting), "comment.created", {"n": 3}, eve)
    for wire in (hers, his):
        await wire.until(lambda wire=wire: {"n": 3} in wire.named("comment.created"))
    assert hers.named("comment.created") == [{"n": 1}, {"n": 3}]
    assert his.named("comment.created") == [{"n": 2}, {"n": 3}]


async def test_a_block_while_somebody_connects_is_not_overlooked(world, gateway, ada, bob, monkeypatch):
    asked, answered = asyncio.Event(), asyncio.Event()
    read = edges.hidden_from

    async def slow(mongo, user_id):
        found = await read(mongo, user_id)
        if user_id == ada.id and not asked.is_set():
            asked.set()
            await answered.wait()  # the answer is old when it arrives
        return found

    monkeypatch.setattr(edges, "hidden_from", slow)
    changed = gateway.hidden_authors.changed
    monkeypatch.setattr(gateway.hidden_authors, "changed", Mock())  # it is heard of once, below
    monkeypatch.setattr(gateway.hidden_authors, "_poll", AsyncMock())
    connecting = asyncio.create_task(ada.connect(gateway))
    await asked.wait()
    await commit(world, blocks.block, bob, by=ada)
    changed([ada.id, bob.id])
    await until(lambda: all(each.hidden_read for each in gateway.sockets.of_user(ada.id)))
    answered.set()
    hers = await connecting
    assert gateway.sockets.get(hers.sid).hides(bob.id)


async def test_a_block_while_somebody_enters_keeps_them_out(world, gateway, ada, bob, monkeypatch):
    his = await bob.connect(gateway)
    post = await ada.publish()
    inside, go_on = asyncio.Event(), asyncio.Event()
    confirmed = gateway.redis_channels.confirmed

    async def slow(room, timeout_s):
        if room == post_room(post) and not inside.is_set():
            inside.set()
            await go_on.wait()
        return await confirmed(room, timeout_s)

    monkeypatch.setattr(gateway.redis_channels, "confirmed", slow)
    entering = asyncio.create_task(his.ask("post.watch", {"post_id": post}))
    await inside.wait()
    await commit(world, blocks.block, bob, by=ada)
    await until(lambda: gateway.sockets.get(his.sid).hides(ada.id))
    go_on.set()
    assert (await entering)["problem"]["code"] == "not_found"
    assert gateway.sockets.get(his.sid).rooms == set()


async def test_who_cannot_be_looked_at_again_while_entering_is_kept_out(world, gateway, ada, bob, monkeypatch):
    his = await bob.connect(gateway)
    post = await ada.publish()
    seen, looks = access.readable, 0

    async def once_only(reader, post_id, *, viewer):
        nonlocal looks
        looks += 1
        if looks > 1:
            raise Unavailable
        found = await seen(reader, post_id, viewer=viewer)
        gateway.room_access.visibility_changed()  # something changes while he enters
        return found

    monkeypatch.setattr(access, "readable", once_only)
    assert (await his.ask("post.watch", {"post_id": post}))["problem"]["code"] == "unavailable"
    assert looks == 2
    assert gateway.sockets.get(his.sid).rooms == set()


async def test_a_store_that_was_away_for_long_costs_no_socket_before_it_is_back(world, gateway, ada, monkeypatch):
    wire = await ada.connect(gateway)
    monkeypatch.setattr(gateway.hidden_authors._read, "_until", clock.now() - visibility_log.REMEMBERED)
    since = visibility_log.since

    async def away(*_):
        raise Unavailable

    monkeypatch.setattr(visibility_log, "since", away)
    with pytest.raises(Unavailable):
        await gateway.hidden_authors._poll()
    assert (await wire.ask("sync", {"after": "x"}))["ok"]
    monkeypatch.setattr(visibility_log, "since", since)
    await gateway.hidden_authors._poll()
    await wire.closed.wait()


async def test_what_was_watched_before_the_block_is_not_restored(world, gateway, ada, bob, eve):
    his = await bob.connect(gateway)
    post, other = await ada.publish(), await eve.publish()
    for each in (post, other):
        await his.ask("post.watch", {"post_id": each})
    await watch(his, ada)
    await world.remembers(his, 3)
    his.drop()
    await until(lambda: len(gateway.sockets) == 0)
    await commit(world, blocks.block, bob, by=ada)
    again = await bob.back(his, gateway)
    await again.event("post.stats")
    assert gateway.sockets.get(again.sid).rooms == {post_room(other)}


async def test_who_is_muted_is_not_heard_and_hears_all(world, gateway, ada, bob, eve):
    hers, his = await ada.connect(gateway), await bob.connect(gateway)
    post = await bob.publish()
    await sees(hers, bob)
    for wire in (hers, his):
        await wire.ask("post.watch", {"post_id": post})
    await commit(world, mutes.mute, bob, by=ada)
    await world.plaza.pushes.control({"visibility": [ada.id, bob.id]})
    await loses(hers, bob)
    await say(world, post_room(post), "comment.created", {"n": 1}, bob)
    await say(world, user_room(ada.id), "feed.post", {"n": 1}, bob)
    await say(world, post_room(post), "comment.created", {"n": 2}, ada)
    await say(world, post_room(post), "comment.created", {"n": 3}, eve)
    for wire in (hers, his):
        await wire.until(lambda wire=wire: {"n": 3} in wire.named("comment.created"))
    assert hers.named("comment.created") == [{"n": 2}, {"n": 3}]  # the post is still watched
    assert his.named("comment.created") == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert hers.named("feed.post") == []
    assert await watch(his, ada) == [(ada.id, True)]


async def test_a_private_account_is_live_for_its_followers_alone(world, gateway, ada, bob, eve):
    post = await ada.publish()
    await world.plaza.commit(follows.follow, ada.username, by=bob.id)
    hers, his, third = await ada.connect(gateway), await bob.connect(gateway), await eve.connect(gateway)
    for wire in (hers, his, third):
        assert (await wire.ask("post.watch", {"post_id": post}))["ok"]
        await sees(wire, ada)
    await world.plaza.commit(privacy.choose, True, by=ada.id)
    await loses(third, ada)
    assert gateway.sockets.get(third.sid).rooms == set()
    for wire in (hers, his):
        assert gateway.sockets.get(wire.sid).rooms == {post_room(post), presence_room(ada.id)}
    assert (await third.ask("post.watch", {"post_id": post}))["problem"]["code"] == "not_found"
    assert await watch(third, ada) == []

    asked = await third.ask("user.follow", {"username": ada.username})
    assert (asked["data"]["following"], asked["data"]["requested"]) == (False, True)
    await commit(world, requests.accept, eve, by=ada)
    assert (await third.ask("post.watch", {"post_id": post}))["ok"]
    assert await watch(third, ada) == [(ada.id, True)]

    await commit(world, follows.remove_follower, bob, by=ada)
    await world.within(3, until(lambda: gateway.sockets.get(his.sid).rooms == set()))
    await third.ask("user.unfollow", {"username": ada.username})
    await world.within(3, until(lambda: gateway.sockets.get(third.sid).rooms == set()))
    assert gateway.room_access._authors == {post: ada.id}
    await hers.ask("post.unwatch", {"post_id": post})
    assert gateway.room_access._authors == gateway.room_access._posts == {}


async def test_a_post_for_followers_is_live_for_those_who_follow_now(world, gateway, ada, bob, eve):
    await commit(world, follows.follow, ada, by=bob)
    said = await world.plaza.commit(publishing.publish, "for you", by=ada.id, visible_to="followers")
    hers, his, third = [await each.connect(gateway) for each in (ada, bob, eve)]
    for wire in (hers, his):
        assert (await wire.ask("post.watch", {"post_id": said.id}))["ok"]
    assert (await third.ask("post.watch", {"post_id": said.id}))["problem"]["code"] == "not_found"
    everybodys = await ada.publish()
    assert (await his.ask("post.watch", {"post_id": everybodys}))["ok"]
    await his.ask("user.unfollow", {"username": ada.username})
    await world.within(3, until(lambda: gateway.sockets.get(his.sid).rooms == {post_room(everybodys)}))
    assert gateway.sockets.get(hers.sid).rooms == {post_room(said.id)}
    assert (await his.ask("post.watch", {"post_id": said.id}))["problem"]["code"] == "not_found"
    await hers.ask("post.unwatch", {"post_id": said.id})
    await his.ask("post.unwatch", {"post_id": everybodys})
    assert gateway.room_access._authors == gateway.room_access._posts == {}
    assert gateway.room_access._for_followers == set()


async def test_an_edit_is_not_told_to_who_unfollowed_before_it_even_where_that_is_handled_later(
    world, gateway, ada, bob, eve
):
    for each in (bob, eve):
        await commit(world, follows.follow, ada, by=each)
    said = await world.plaza.commit(publishing.publish, "for you", by=ada.id, visible_to="followers")
    his, third = await bob.connect(gateway), await eve.connect(gateway)

    async def handle(event):
        await feeds.handle(world.plaza, [ReceivedEvent(clock.new_id(), clock.now(), event)])

    await handle(PostPublished(post_id=said.id, author_id=ada.id))
    for wire in (his, third):
        await wire.event("feed.post")
    await commit(world, follows.unfollow, ada, by=bob)
    await world.plaza.commit(edits.edit, said.id, "for you, but not for all", by=ada.id)
    await handle(PostEdited(post_id=said.id, author_id=ada.id))
    await third.event("post.updated")
    await handle(UserUnfollowed(follower_id=bob.id, followee_id=ada.id))
    await his.event("feed.changed")
    assert his.named("post.updated") == []


async def test_many_are_hidden_and_beyond_the_bound_nobody_is_heard(world, gateway, ada, bob, monkeypatch):
    monkeypatch.setattr(edges, "MOST_HIDDEN", 1_500)

    def blocked(first, last):
        return [
            {"_id": f"{ada.id}{n:024x}", "from": ada.id, "to": f"{n:024x}", "blocks_at": clock.now(), "hides": True}
            for n in range(first, last)
        ]

    await world.plaza.mongo.insert_missing("edges", blocked(0, 1_500))
    hers = await ada.connect(gateway)
    socket = gateway.sockets.get(hers.sid)
    assert len(socket.hidden) == 1_500
    assert gateway.sockets.hiding(f"{7:024x}") == [socket]
    assert gateway.sockets.hiding(bob.id) == []
    second = gateway.sockets.get((await ada.connect(gateway)).sid)
    assert second.hidden is socket.hidden
    await world.plaza.mongo.insert_missing("edges", blocked(1_500, 1_501))
    third = gateway.sockets.get((await ada.connect(gateway)).sid)
    assert third.hides(bob.id)
    assert not third.hides(ada.id)
    assert gateway.sockets.hiding(bob.id) == [third]


async def test_a_word_from_another_process_that_is_malformed_changes_nothing(world, gateway, ada):
    hers = await ada.connect(gateway)
    for people in ([], [1], [None, ada.id], ["nobody", ada.id, 3], "no list"):
        await world.plaza.pushes.control({"visibility": people})
    assert (await hers.ask("post.create", {"text": "still here"}))["ok"]


async def test_however_many_changes_come_at_once_a_person_is_looked_at_twice(
    world, gateway, ada, bob, eve, monkeypatch
):
    """A person with 20,000 blocks who adds more would otherwise have their gateway read 20,000 rows for each."""
    hers = await ada.connect(gateway)
    looks, go_on = [], asyncio.Event()
    hidden_from = edges.hidden_from

    async def slowly(mongo, user_id):
        looks.append(user_id)
        found = await hidden_from(mongo, user_id)
        await go_on.wait()
        return found

    monkeypatch.setattr(edges, "hidden_from", slowly)
    gateway.hidden_authors.changed([ada.id, eve.id])
    await until(lambda: looks)
    await commit(world, blocks.block, bob, by=ada)
    for _ in range(100):
        gateway.hidden_authors.changed([ada.id, bob.id])
    await asyncio.sleep(0)
    go_on.set()
    await until(lambda: all(each.hides(bob.id) for each in gateway.sockets.of_user(ada.id)))
    assert looks.count(ada.id) <= 4  # the first, one for all that came during it, and the same by the store's list
    await say(world, user_room(ada.id), "feed.changed", {"reason": "followed"}, bob)
    await say(world, user_room(ada.id), "feed.changed", {"reason": "unfollowed"}, eve)
    await hers.event("feed.changed")
    assert hers.named("feed.changed") == [{"reason": "unfollowed"}]


async def test_who_is_blocked_hears_nothing_of_it(world, gateway, ada, bob, eve):
    hers, his = await ada.connect(gateway), await bob.connect(gateway)
    for event in (UserBlocked(by=ada.id, user_id=bob.id), UserUnblocked(by=ada.id, user_id=bob.id)):
        await feeds.handle(world.plaza, [ReceivedEvent(clock.new_id(), clock.now(), event)])
    await say(world, user_room(bob.id), "feed.changed", {"reason": "followed"}, eve)
    await his.event("feed.changed")
    assert his.named("feed.changed") == [{"reason": "followed"}]
    await hers.event("feed.changed", 2)
    assert hers.named("feed.changed") == [{"reason": "blocked"}, {"reason": "unblocked"}]


async def test_a_reply_is_kept_from_those_who_may_not_see_what_it_answers(world, gateway, ada, bob, eve):
    """A reply would name a hidden author's comment: written, edited and deleted, live and by itself."""
    meeting = await eve.publish()
    wires = hers, third = await ada.connect(gateway), await eve.connect(gateway)
    for wire in wires:
        await wire.ask("post.watch", {"post_id": meeting})
    said = await world.plaza.commit(comments.add, meeting, "hello", by=bob.id)
    reply = await world.plaza.commit(comments.add, meeting, "welcome", by=eve.id, parent_id=said.id)
    await commit(world, blocks.block, ada, by=bob)
    await world.plaza.pushes.control({"visibility": [bob.id, ada.id]})
    await until(lambda: gateway.sockets.get(hers.sid).hides(bob.id))
    about = {"comment_id": reply.id, "post_id": meeting, "author_id": eve.id, "by": eve.id}
    about |= {"parent_id": said.id, "parent_author_id": bob.id}
    events = CommentAdded(**about), CommentEdited(**about), CommentDeleted(**about)
    happened = [ReceivedEvent(clock.new_id(), clock.now(), each) for each in events]
    await counters.announce(world.plaza, happened)
    await say(world, post_room(meeting), "comment.created", {"n": 9}, eve)
    for wire in wires:
        await wire.until(lambda wire=wire: {"n": 9} in wire.named("comment.created"))
    for event in ("comment.created", "comment.updated", "comment.deleted"):
        assert [each for each in hers.named(event) if each != {"n": 9}] == [], event
        assert {each.get("id") or each.get("comment_id") for each in third.named(event)} >= {reply.id}, event
    with pytest.raises(NotFound):
        await comments.get(world.plaza.mongo, reply.id, viewer=ada.id)
    assert (await comments.get(world.plaza.mongo, reply.id, viewer=eve.id)).parent_id == said.id
