"""The reference page in a real Chromium, over one system: two windows, every flow, faults, looks and budgets."""

import asyncio
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from support.chromium import TIMEOUT_S, Player, player
from support.databases import Databases
from support.eventually import eventually
from support.one_site import one_loop
from support.pictures import picture
from support.ports import free_ports
from support.servers import DocumentStore, RedisServer
from support.site import Site, system

from social.accounts import login
from social.contracts.codec import encode
from social.contracts.pushes import Push, frame, user_room
from social.infra import clock
from social.infra.security import tokens
from social.infra.store.rows import NOTIFICATIONS, USERS, NotificationRow
from social.notifications import group_state
from social.notifications.group_state import Trigger

pytestmark = one_loop

FLOWS = ("two_windows", "conversation", "pictures_and_profile", "people", "sessions_and_windows", "keyboard")
FAULTS = (
    "offline_and_back",
    "token_expires",
    "three_tabs_refresh_at_once",
    "gateway_killed",
    "hostile_text",
    "wrong_clocks",
    "full_storage",
    "refused_storage",
)
ABSENCES = ("jitter_on_a_train", "many_notifications_while_asleep")
NETWORKS = ("buffering_proxy",)
RELEASES = ("older_server", "newer_server", "renewed_under_an_open_page", "refused_after_a_reload")
LOOKS = ("accessible", "budgets")
SHORT = timedelta(seconds=15)


class Gateway:
    """A gateway as a process of its own, which can be killed and started again at its port."""

    def __init__(self, environment: dict[str, str], port: int) -> None:
        self.port = port
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "realtime", env={**os.environ, **self._environment}
        )
        await eventually(self._listens)

    async def _listens(self) -> None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError as error:
            raise AssertionError from error
        writer.close()

    async def kill(self) -> None:
        """Kill it with SIGKILL."""
        assert self._process
        self._process.kill()
        await self._process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway_port() -> int:
    """Return the port of the gateway, which the page must know before the gateway runs."""
    (port,) = free_ports(1)
    return port


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    document_store: DocumentStore, databases: Databases, redis_server: RedisServer, gateway_port: int
) -> AsyncIterator[Site]:
    """Run a system whose pages go to that gateway."""
    await document_store.start()
    await redis_server.start()
    name = await databases.take(document_store.url)
    async with system(document_store.url, name, redis_url=redis_server.url, realtime_port=gateway_port) as running:
        yield running
    databases.give_back(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    site: Site, document_store: DocumentStore, redis_server: RedisServer, gateway_port: int, tmp_path_factory: Any
) -> AsyncIterator[Gateway]:
    """Run the gateway of the site."""
    jwks = tmp_path_factory.mktemp("keys") / "jwks.json"
    jwks.write_bytes(encode(site.keys.signer.jwks))
    environment = {
        "MONGO_URL": document_store.url,
        "MONGO_DATABASE": site.plaza.mongo.database.name,
        "REDIS_URL": redis_server.url,
        "BROKER_URL": "amqp://guest:guest@127.0.0.1:9/",
        "JWT_JWKS": str(jwks),
        "REALTIME_HOST": "127.0.0.1",
        "REALTIME_PORT": str(gateway_port),
        "ORIGINS": "http://127.0.0.1:*",
        "PID_KEY": "k" * 32,
        "DRAIN_S": "1",
        "LOG_LEVEL": "error",
    }
    running = Gateway(environment, gateway_port)
    await running.start()
    yield running
    await running.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Player]:
    """Run the browser of all tests."""
    async with player(tmp_path_factory.mktemp("browser")) as playing:
        yield playing


def group_of(recipient: str, actor: str) -> NotificationRow:
    """Return a group of one like on a post of its own, of which its recipient is due to be notified."""
    now = clock.now()
    trigger = Trigger("like", "post", post := clock.new_id(), actor, recipient, post)
    group = group_state.new(trigger, now)
    group_state.add(group, trigger)
    return {**group, "rev": 1, "due_at": now, "since": now}


@pytest.mark.parametrize("scenario", FLOWS + FAULTS + ABSENCES + NETWORKS + RELEASES + LOOKS)
async def test_in_a_browser(
    scenario: str, site: Site, gateway: Gateway, browser: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def short_tokens(on: bool) -> None:
        for module in (tokens, login):
            monkeypatch.setattr(module, "ACCESS_LIVES", SHORT if on else timedelta(minutes=10))

    async def a_picture() -> str:
        return b64encode(picture(size=(320, 240))).decode()

    async def notify(recipient: str, actor: str, number: int) -> None:
        mongo = site.plaza.mongo
        people = [await mongo.one(USERS, {"username": each}) for each in (recipient, actor)]
        assert all(people)
        groups = [group_of(*(each["_id"] for each in people if each)) for _ in range(number)]
        for at in range(0, number, 500):
            await mongo.database[NOTIFICATIONS].insert_many(groups[at : at + 500])

        async def all_are_pushed() -> None:
            assert not await mongo.one(NOTIFICATIONS, {"due_at": {"$gt": clock.EPOCH}})

        await eventually(all_are_pushed, timeout_s=TIMEOUT_S)

    async def push(username: str, event: str, data: Any) -> None:
        person = await site.plaza.mongo.one(USERS, {"username": username})
        assert person
        pushed = Push("H", clock.millis(clock.now()), "", 0, "", frame(event, data))
        await site.plaza.pushes.send([(user_room(person["_id"]), pushed.encode())])

    helpers = {
        "notify": notify,
        "push": push,
        "short_tokens": short_tokens,
        "picture": a_picture,
        "kill_gateway": gateway.kill,
        "start_gateway": gateway.start,
    }
    found = await browser.play(scenario, f"{site.door.url}/", helpers)
    if found:
        print(f"{scenario}: {found}")
