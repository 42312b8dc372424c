"""Official clients: socket.io-client from npm, and python-socketio's client."""

import asyncio
from datetime import timedelta

import pytest
import socketio
from support.browser import page
from support.sockets import until

from social.accounts import login
from social.infra import clock

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


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("options", WAYS, ids=["websocket", "polling", "default"])
async def test_the_js_client_does_not_recover_what_it_disconnected_itself(world, gateway, ada, bob, options, elsewhere):
    other = await world.gateway() if elsewhere else gateway
    async with page() as hers:
        first = await hers.connect(gateway.port, ada.token, **options)
        await world.like(await ada.publish(), by=bob, author=ada)
        await hers.event("notification")
        await hers.do(disconnect=True)
        assert await hers.next("disconnect") == "io client disconnect"
        if elsewhere:
            await until(lambda: world.plaza.redis.hexists(f"socket:{first['sid']}", "left"))  # the cluster knows
            await hers.do(url=f"http://127.0.0.1:{other.port}")
        await hers.do(reconnect=True)
        second = await hers.next("connect", 2)
        assert second["recovered"] is False
        assert second["sid"] != first["sid"]
        await hers.do(drop=True)
        assert await hers.next("connect", 3) == {"sid": second["sid"], "recovered": True}
        assert len(hers.all("event")) == 1


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
        assert refused["message"] == "An access token is required"
        assert refused["data"]["code"] == "invalid_token"


@pytest.mark.parametrize(
    ("auth", "code", "text"),
    [
        ({}, "missing", "No access token was sent"),
        ({"token": ""}, "missing", "No access token was sent"),
        ({"token": None}, "missing", "No access token was sent"),
        ({"token": "Bearer {token}"}, "bearer_prefix", "`Bearer ` is no part of an access token"),
        ({"token": 7}, "string_type", "An access token is a string"),
        ({"token": {"token": "{token}"}}, "string_type", "An access token is a string"),
        ({"token": "x" * 5_000}, "string_too_long", "An access token has at most 4096 characters"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_developer_sees_what_is_wrong_with_a_token(world, gateway, ada, auth, code, text):
    if isinstance(auth.get("token"), str):
        auth = {"token": auth["token"].replace("{token}", ada.token)}
    async with page() as hers:
        await hers.do(connect={"url": f"http://127.0.0.1:{gateway.port}", "auth": auth})
        refused = await hers.next("connect_error")
        assert refused["message"].startswith(text)
        assert "connect with auth: {token}" in refused["message"]
        assert refused["data"]["code"] == "invalid_token"
        assert [(each["pointer"], each["code"]) for each in refused["data"]["errors"]] == [("/token", code)]


async def test_an_expired_token_is_told_from_a_wrong_one(world, gateway, ada):
    old = world.keys.signer.sign(ada.id, "f" * 24, clock.now() - timedelta(hours=1))
    async with page() as hers:
        await hers.do(connect={"url": f"http://127.0.0.1:{gateway.port}", "auth": {"token": old}})
        refused = await hers.next("connect_error")
        assert (refused["message"], refused["data"]["code"]) == ("The access token has expired", "token_expired")


async def test_a_js_client_whose_login_ended_stays_away(world, gateway, ada):
    async with page() as hers:
        await hers.connect(gateway.port, ada.token)
        await login.logout(world.plaza, world.keys, ada.tokens.refresh_token)
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
