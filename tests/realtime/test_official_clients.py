"""The clients people really use: socket.io-client from npm, and python-socketio's."""

import asyncio

import pytest
import socketio
from support.browser import page
from support.sockets import until

from social import auth

WAYS = [{"transports": ["websocket"]}, {"transports": ["polling"]}, {}]


@pytest.mark.parametrize("options", WAYS, ids=["websocket", "polling", "default"])
async def test_the_js_client_likes_a_post_and_its_author_hears_of_it(world, gateway, ada, bob, options):
    post = await ada.publish()
    async with page() as hers, page() as his:
        assert (await hers.connect(gateway.port, ada.token, **options))["recovered"] is False
        await his.connect(gateway.port, bob.token, **options)
        assert (await his.ask("post.like", {"post_id": post}))["data"]["liked"] is True
        await world.like(post, by=bob, author=ada)
        assert (await hers.event("notification"))["actors"][0]["username"] == bob.username


@pytest.mark.parametrize("options", WAYS, ids=["websocket", "polling", "default"])
async def test_the_js_client_recovers_after_its_connection_dropped(world, gateway, ada, bob, options):
    post = await ada.publish()
    async with page() as hers:
        first = await hers.connect(gateway.port, ada.token, **options)
        await world.like(post, by=bob, author=ada)
        await hers.event("notification")
        for number in range(2, 5):
            fan = await world.person("fan")
            await hers.do(drop=True)
            await world.like(post, by=fan, author=ada)
            back = await hers.next("connect", number)
            assert back == {"sid": first["sid"], "recovered": True}
            assert (await hers.event("notification.updated", number - 1))["count"] == number
        offsets = [args[2] for args in hers.all("event")]
        assert [offset.split(".")[1] for offset in offsets] == ["1", "2", "3", "4"]


async def test_the_js_client_recovers_on_another_gateway(world, gateway, ada, bob):
    other = await world.gateway()
    post = await ada.publish()
    async with page() as hers:
        first = await hers.connect(gateway.port, ada.token)
        await hers.ask("post.watch", {"post_id": post})
        await hers.do(url=f"http://127.0.0.1:{other.port}")
        await gateway.drain()
        back = await hers.next("connect", 2)
        assert back == {"sid": first["sid"], "recovered": True}
        await hers.event("post.stats")
        await world.like(post, by=bob, author=ada)
        await hers.event("notification")


async def test_a_refusal_reaches_the_js_client_as_a_problem(world, gateway):
    async with page() as hers:
        await hers.do(connect={"url": f"http://127.0.0.1:{gateway.port}", "auth": {"token": "nonsense"}})
        refused = await hers.next("connect_error")
        assert refused["message"] == "An access token is needed"
        assert refused["data"]["code"] == "invalid_token"


async def test_a_js_client_whose_login_ended_stays_away(world, gateway, ada):
    async with page() as hers:
        await hers.connect(gateway.port, ada.token)
        await auth.logout(world.social, world.keys, ada.tokens.refresh_token)
        assert await hers.next("disconnect") == "io server disconnect"
        await asyncio.sleep(0.5)
        assert len(hers.all("connect")) == 1


async def test_another_login_in_the_same_page_does_not_recover(world, gateway, ada, bob):
    async with page() as shared:
        await shared.connect(gateway.port, ada.token)
        await world.like(await ada.publish(), by=bob, author=ada)
        await shared.event("notification")
        await shared.do(auth={"token": bob.token})
        await shared.do(drop=True)
        assert (await shared.next("connect", 2))["recovered"] is False
        assert len(shared.all("event")) == 1


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], None], ids=str)
async def test_pythons_client_does_the_same(world, gateway, ada, bob, transports):
    post = await ada.publish()
    client = socketio.AsyncClient(reconnection=False)
    heard: list[tuple] = []
    client.on("notification", lambda data, *rest: heard.append((data, rest)))
    await client.connect(f"http://127.0.0.1:{gateway.port}", auth={"token": ada.token}, transports=transports)
    try:
        assert (await client.call("post.watch", {"post_id": post}))["data"]["likes"] == 0
        await world.like(post, by=bob, author=ada)
        await until(lambda: heard)
        assert heard[0][0]["count"] == 1
        assert heard[0][1][0].endswith(".1")
        answer = await client.call("sync", {"after": heard[0][1][0]})
        assert answer["data"] == {"recovered": True, "events": [], "offset": heard[0][1][0]}
    finally:
        await client.disconnect()
