"""Connecting: the clients that are admitted, and what they can do then."""

from datetime import timedelta

from support.sockets import until

from social.contracts.pushes import frame, post_room, user_room
from social.infra import clock
from social.posts import publishing


async def test_a_person_connects_and_hears_of_a_like(world, gateway, ada, bob):
    wire = await ada.connect(gateway)
    assert wire.sid
    post = await ada.publish()
    await world.like(post, by=bob, author=ada)
    told = await wire.event("notification")
    assert told["type"] == "like"
    assert told["actors"][0]["username"] == bob.username
    assert wire.offset.endswith(".1")


async def test_without_a_token_nobody_gets_in(world, gateway):
    for auth in ({}, {"token": "nonsense"}, {"token": 7}, {"token": ["a"]}):
        wire = await world.wire(gateway.port, auth)
        assert wire.connected is None
        assert wire.refused["data"]["code"] == "invalid_token"
        assert wire.refused["data"]["status"] == 401


async def test_an_expired_token_is_refused_by_that_name(world, gateway, ada):
    old = world.keys.signer.sign(ada.id, "f" * 24, clock.now() - timedelta(hours=1))
    wire = await world.wire(gateway.port, {"token": old})
    assert wire.refused["data"]["code"] == "token_expired"


async def test_a_renewal_says_what_is_wrong_with_its_token(world, gateway, ada):
    wire = await ada.connect(gateway)
    problem = (await wire.ask("session.renew", {"token": f"bearer {ada.token}"}))["problem"]
    assert (problem["code"], problem["errors"][0]["code"]) == ("invalid_token", "bearer_prefix")
    assert (await wire.ask("session.renew", {"token": ada.token}))["ok"]


async def test_who_watches_a_post_gets_its_counts_and_then_each_change(world, gateway, ada, bob):
    wire = await bob.connect(gateway)
    post = await ada.publish()
    answer = await wire.ask("post.watch", {"post_id": post})
    assert answer == {"ok": True, "data": {"post_id": post, "likes": 0, "comments": 0, "reposts": 0, "version": 0}}
    stats = {"post_id": post, "likes": 1, "comments": 0, "version": 1}
    await world.plaza.pushes.hint([post_room(post)], "post.stats", stats, at_ms=clock.millis(clock.now()))
    assert await wire.event("post.stats") == stats
    assert await wire.ask("post.unwatch", {"post_id": post}) == {"ok": True, "data": None}
    await world.plaza.pushes.hint([post_room(post)], "post.stats", stats, at_ms=1)
    await world.plaza.pushes.hint([user_room(bob.id)], "feed.changed", {"reason": "followed"}, at_ms=1)
    await wire.event("feed.changed")
    assert len(wire.named("post.stats")) == 1


async def test_the_snapshot_of_a_room_is_read_after_redis_confirmed_its_channel(world, gateway, ada, bob, monkeypatch):
    wire = await bob.connect(gateway)
    post, order = await ada.publish(), []
    confirmed, read = gateway.redis_channels.confirmed, publishing.many_stats

    async def confirm(room, timeout_s):
        found = await confirmed(room, timeout_s)
        order.append("confirmed")
        return found

    async def stats(*args):
        order.append("read")
        return await read(*args)

    monkeypatch.setattr(gateway.redis_channels, "confirmed", confirm)
    monkeypatch.setattr(publishing, "many_stats", stats)
    assert (await wire.ask("post.watch", {"post_id": post}))["ok"]
    assert order == ["confirmed", "read"]


async def test_everyday_writes_work_over_the_socket_and_are_acked(world, gateway, ada, bob):
    wire = await bob.connect(gateway)
    made = await wire.ask("post.create", {"text": "from a socket"})
    assert made["ok"]
    assert made["data"]["text"] == "from a socket"
    post = await ada.publish()
    liked = await wire.ask("post.like", {"post_id": post})
    assert liked["data"]["liked"] is True
    assert (await wire.ask("post.like", {"post_id": post}))["data"]["liked"] is True
    assert (await wire.ask("post.unlike", {"post_id": post}))["data"]["liked"] is False
    comment = await wire.ask("comment.create", {"post_id": post, "text": "nice"})
    assert comment["data"]["author"]["username"] == bob.username
    assert (await wire.ask("user.follow", {"username": ada.username}))["data"]["following"] is True
    assert (await wire.ask("user.unfollow", {"username": ada.username}))["data"]["following"] is False


async def test_a_write_with_an_idempotency_key_happens_once(world, gateway, ada):
    wire = await ada.connect(gateway)
    once = {"text": "only once", "idempotency_key": "abc"}
    first, second = await wire.ask("post.create", once), await wire.ask("post.create", once)
    assert first["data"]["id"] == second["data"]["id"]
    other = await wire.ask("post.create", {"text": "another", "idempotency_key": "abc"})
    assert other["problem"]["code"] == "idempotency_mismatch"


async def test_a_refused_message_is_acked_with_every_wrong_field(world, gateway, ada):
    wire = await ada.connect(gateway)
    answer = await wire.ask("comment.create", {"post_id": {"$ne": None}, "text": "", "more": 1})
    assert answer["ok"] is False
    assert answer["problem"]["status"] == 422
    assert {each["pointer"] for each in answer["problem"]["errors"]} == {"/post_id", "/text", "/more"}
    assert (await wire.ask("post.watch"))["problem"]["code"] == "validation_failed"
    assert (await wire.ask("post.watch", "text"))["problem"]["code"] == "validation_failed"
    assert (await wire.ask("post.watch", {"post_id": "f" * 24}))["problem"]["code"] == "not_found"
    assert (await wire.ask("no.such.thing", {}))["problem"]["code"] == "not_found"


async def test_a_client_cannot_pretend_to_be_the_server(world, gateway, ada):
    for forged in ('42["connect",{}]', '421["disconnect","x"]', '42["connect_error",{}]'):
        wire = await ada.connect(gateway)
        await wire.send(forged)
        await wire.until(wire.closed.is_set)
        assert wire.events == []
        await until(lambda wire=wire: gateway.sockets.get(wire.sid) is None)


async def test_nobody_hears_what_is_told_to_somebody_else(world, gateway, ada, bob):
    hers, his = await ada.connect(gateway), await bob.connect(gateway)
    await world.plaza.pushes.hint([user_room(ada.id)], "feed.changed", {"reason": "followed"}, at_ms=1)
    await hers.event("feed.changed")
    gateway.server.send_frame(his.sid, frame("feed.changed", {"reason": "unfollowed"}))
    assert await his.event("feed.changed") == {"reason": "unfollowed"}


async def test_health_and_metrics_are_on_the_same_port(gateway, http):
    for path, expected in (("/livez", "alive"), ("/readyz", "ready"), ("/metrics", "plaza_sockets")):
        async with http.get(f"http://127.0.0.1:{gateway.port}{path}") as answer:
            assert answer.status == 200
            assert expected in await answer.text()
