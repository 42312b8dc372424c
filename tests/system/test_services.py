"""Each service as a process of its own, over the same servers, with no secret that it does not need."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.eventually import eventually
from support.people import Answer, Door, knocking, texts
from support.ports import free_ports
from support.processes import Program

from api.app import ALL
from api.settings import SERVICES
from social.infra.keyfiles import make_keys


class Scattered(Door):
    """One door to many processes, as a load balancer makes it: each path leads to its service."""

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
async def urls(
    tmp_path: Path, mongo_url: str, mongo_database: str, redis_url: str, amqp_url: str
) -> AsyncIterator[dict[str, str]]:
    """Where each service answers."""
    make_keys(tmp_path / "keys")
    servers = {"MONGO_URL": mongo_url, "MONGO_DATABASE": mongo_database, "REDIS_URL": redis_url, "AMQP_URL": amqp_url}
    ports = dict(zip((*SERVICES, "workers"), free_ports(len(SERVICES) + 1), strict=True))
    programs: dict[str, Program] = {}
    for name, port in ports.items():
        folder = tmp_path / name
        folder.mkdir()
        own: dict[str, Any] = {"API_HOST": "127.0.0.1", "API_PORT": port, "API_SERVICES": name}
        if name == "workers":
            own = {"WORKERS_HOST": "127.0.0.1", "WORKERS_PORT": port}
        elif name == "auth":
            own["JWT_PRIVATE_KEY_FILE"] = tmp_path / "keys/jwt.pem"
            own["REFRESH_KEY_FILE"] = tmp_path / "keys/refresh.key"
        else:
            own["JWT_JWKS"] = tmp_path / "keys/jwks.json"
        programs[name] = Program("workers" if name == "workers" else "api", folder=folder, DRAIN_S=1, **servers, **own)
    migrate = Program("social", "migrate", folder=tmp_path, **servers)
    try:
        assert (await migrate.start().ended()).code == 0
        for program in programs.values():
            program.start()
        for name, program in programs.items():
            await program.answering(f"http://127.0.0.1:{ports[name]}/readyz")
        yield {name: f"http://127.0.0.1:{ports[name]}" for name in SERVICES}
    finally:
        for program in programs.values():
            await program.kill()


async def test_the_tour_works_with_each_service_in_a_process_of_its_own(urls: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as session:
        door = Scattered(session, urls)
        ada, bob = await door.register("ada"), await door.register("bob")
        await bob.follow(ada)
        post = await ada.publish("hello, plaza")
        assert (await bob.see(post)).text == "hello, plaza"
        assert (await bob.like(post)).liked
        await bob.comment(post, "nice")
        assert texts(await ada.comments(post)) == ["nice"]
        assert texts(await ada.feed()) == ["hello, plaza"]
        assert (await ada.me()).username == "ada"
        assert (await bob.ask("GET", "/v1/users?q=ad")).body["items"][0]["username"] == "ada"

        async def told() -> None:
            assert {each.type for each in await ada.notifications()} == {"like", "comment", "follow"}

        await eventually(told)
        await bob.logout()

        async def refused() -> None:
            for path in ("/v1/users/me", "/v1/feed", "/v1/notifications", f"/v1/posts/{post.id}"):
                (await bob.ask("GET", path)).refused(401, "session_revoked")

        await eventually(refused)

    for name, url in urls.items():
        async with knocking(url) as alone:
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
    servers = {"MONGO_URL": f"mongodb://{nowhere}", "REDIS_URL": f"redis://{nowhere}", "AMQP_URL": f"amqp://{nowhere}"}
    done = await Program("api", folder=tmp_path, API_SERVICES=services, **servers).start().ended()
    assert done.code == 1
    assert set(re.findall(r"(\w+) is missing", done.err)) == missing
