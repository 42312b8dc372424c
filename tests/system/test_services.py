"""Each service as a process of its own, over common servers, with no secret that it does not need."""

import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import require
from support.cluster import Cluster
from support.eventually import eventually
from support.nginx import Nginx
from support.people import Answer, Door, door_to, texts
from support.ports import free_ports
from support.processes import Program, gone, listens_at
from support.servers import RabbitServer, RedisServer

from api.app import ALL
from api.settings import SERVICES


class Scattered(Door):
    """A door to many processes, as a load balancer makes it: each path leads to its service."""

    def __init__(self, session: aiohttp.ClientSession, urls: dict[str, str]) -> None:
        super().__init__(session, "")
        self._urls = urls

    async def ask(self, method: str, path: str, *body: Any, **more: Any) -> Answer:
        bare = path.partition("?")[0]
        (service,) = {
            route.service
            for service in ALL
            for route in service.routes
            if route.method == method and re.fullmatch(re.sub(r"{\w+}", "(?!me)[^/]+", route.path), bare)
        }
        self.url = self._urls[service]
        return await super().ask(method, path, *body, **more)


@pytest.fixture
async def split(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Run a cluster in which each service has a process of its own."""
    require(RedisServer)
    require(RabbitServer)
    require(Nginx)
    (port,) = free_ports(1)
    cluster = Cluster(tmp_path, port, SERVICES="split", REALTIME_PROCESSES=1, WORKERS_PROCESSES=1)
    try:
        yield await cluster.start()
    finally:
        await cluster.program.kill()


async def test_nginx_leads_to_each_service_and_ctrl_c_stops_all(split: Cluster) -> None:
    assert {"documents", "realtime-1", "workers-1", *(f"{name}-1" for name in SERVICES)} <= set(await split.parts())
    async with door_to(split.url) as door:
        ada, bob = await door.register("ada"), await door.register("bob")
        assert (await bob.like(await ada.publish("hello"))).liked

        async def notified() -> None:
            assert [each.type for each in await ada.notifications()] == ["like"]

        await eventually(notified)
    await tour(split)
    children = split.program.children()
    ended = await split.stop(signal.SIGINT)
    assert (ended.code, ended.err) == (0, "")
    assert await gone(children)


async def tour(split: Cluster) -> None:
    """Send people's requests, each to the process of its service, which has none of the other services' secrets."""
    parts = await split.parts()
    urls = {name: f"http://127.0.0.1:{listens_at(parts[f'{name}-1']['pid'])}" for name in SERVICES}
    async with aiohttp.ClientSession() as session:
        door = Scattered(session, urls)
        ada, bob = await door.register("grace"), await door.register("alan")
        await bob.follow(ada)
        post = await ada.publish("hello, plaza")
        assert (await bob.see(post)).text == "hello, plaza"
        assert (await bob.like(post)).liked
        await bob.comment(post, "nice")
        assert texts(await ada.comments(post)) == ["nice"]
        assert texts(await ada.feed()) == ["hello, plaza"]
        assert (await ada.me()).username == "grace"
        assert (await bob.ask("GET", "/v1/users?q=gra")).body["items"][0]["username"] == "grace"

        async def notified() -> None:
            assert {each.type for each in await ada.notifications()} == {"like", "comment", "follow"}

        await eventually(notified)
        await bob.logout()

        async def refused() -> None:
            for path in ("/v1/users/me", "/v1/feed", "/v1/notifications", f"/v1/posts/{post.id}"):
                (await bob.ask("GET", path)).refused(401, "session_revoked")

        await eventually(refused)

    for name, url in urls.items():
        async with door_to(url) as alone:
            tags = (await alone.ask("GET", "/openapi.json")).body["tags"]
            assert [tag["name"] for tag in tags] == [name]
            for other in SERVICES:
                status = 200 if other == name else 404
                assert (await alone.ask("GET", f"/docs/{other}")).status == status
                assert (await alone.ask("GET", f"/openapi/{other}.json")).status == status
            if name != "auth":
                (await alone.ask("POST", "/v1/auth/login", {})).refused(404, "not_found")
            if name != "feeds":
                (await alone.ask("GET", "/v1/feed")).refused(404, "not_found")


@pytest.mark.parametrize(
    ("services", "missing"),
    [("posts", {"JWT_JWKS"}), ("posts,auth", {"JWT_PRIVATE_KEY_FILE", "REFRESH_KEY_FILE"})],
)
async def test_a_process_names_just_the_keys_that_its_services_need(
    tmp_path: Path, services: str, missing: set[str]
) -> None:
    nowhere = "127.0.0.1:1"
    servers = {
        "MONGO_URL": f"mongodb://{nowhere}",
        "REDIS_URL": f"redis://{nowhere}",
        "BROKER_URL": f"amqp://{nowhere}",
    }
    done = await Program("api", folder=tmp_path, API_SERVICES=services, **servers).start().ended()
    assert done.code == 1
    assert set(re.findall(r"(\w+) is missing", done.err)) == missing
