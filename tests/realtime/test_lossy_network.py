"""Networks that are lost for two seconds again and again while events flow: all events arrive, in order, once."""

import asyncio
import os
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from support.browser import Page, page
from support.network import Tunnel, tunnel
from support.sockets import Person, Wire, World

from social.contracts.pushes import Push, frame, user_room
from social.infra import clock
from social.notifications import streams

SOAK = bool(os.environ.get("PLAZA_SOAK"))  # make soak
CLIENTS, SECONDS = (200, 60.0) if SOAK else (30, 10.0)
JS_CLIENTS = 4 if SOAK else 2
LOST_S = 2.0
OUTAGES = 2  # of each client, at least
CATCH_UP_S = 120.0

SLOW = {"ping_interval_s": 3.0, "ping_timeout_s": 3.0, "handshakes_per_s": 10_000}


@pytest.fixture
def realtime_engine() -> None:
    """Run each test with gateways on both engines."""


class Phone:
    """A client with connection state recovery, as socket.io-client does it: it keeps a pid and an offset."""

    def __init__(self, person: Person, way: Tunnel, http: aiohttp.ClientSession) -> None:
        self.person = person
        self.connects = self.unrecovered = 0
        self._way = way
        self._http = http
        self._before: list[Any] = []  # on earlier connections
        self._wire = Wire(way.port, http)
        self._pid: str | None = None
        self._offset: str | None = None

    @property
    def heard(self) -> list[Any]:
        """Return all stream events received so far."""
        return self._before + [args for args in self._wire.events if isinstance(args[-1], str)]

    async def live(self) -> None:
        """Stay connected, and reconnect after each loss."""
        while True:
            wire = self._wire = Wire(self._way.port, self._http)
            kept = {"pid": self._pid, "offset": self._offset}
            try:
                await wire.open({"token": self.person.token} | {name: kept[name] for name in kept if kept[name]})
                if wire.connected:
                    self.connects += 1
                    self.unrecovered += self._pid not in (None, wire.pid)
                    self._pid = wire.pid
                    await wire.closed.wait()
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            finally:
                if hasattr(wire, "_reader"):
                    await wire.close()
                self._before, self._offset = self.heard, wire.offset or self._offset
                self._wire = Wire(self._way.port, self._http)
            await asyncio.sleep(random.uniform(0.05, 0.3))


class Happenings:
    """Events for all people: appended to their streams, then pushed, with a hint in between."""

    def __init__(self, world: World, people: list[Person]) -> None:
        self.count = 0
        self._world = world
        self._people = people
        self._work = asyncio.Semaphore(8)  # as many workers

    async def until(self, end: float, ways: Sequence[Tunnel], outages: int) -> None:
        """Go on until this time, and until the networks were lost so often."""
        while time.monotonic() < end or sum(way.outages for way in ways) < outages:
            self.count += 1
            rooms = [user_room(each.id) for each in self._people]
            await asyncio.gather(*(self._happen(each, self.count) for each in self._people))
            await self._world.plaza.pushes.hint(rooms, "feed.changed", {"reason": "followed"}, at_ms=1)
            await asyncio.sleep(0.05)

    async def _happen(self, person: Person, number: int) -> None:
        async with self._work:
            entry = streams.Entry(f"read:{number:024x}", 1, "notifications.read")
            epoch, (item,) = await streams.append(self._world.plaza.mongo, person.id, [entry])
            body = frame(entry.e, {"ids": [f"{number:024x}"], "unread": 0}, f"{epoch}.{item.s}")
            push = Push("S", clock.millis(clock.now()), epoch, item.s, "", body)
            await self._world.plaza.pushes.send([(user_room(person.id), push.encode())])


async def lose_again_and_again(way: Tunnel, over: asyncio.Event, luck: random.Random) -> None:
    """Take the network away for two seconds, again every few seconds."""
    await asyncio.sleep(luck.uniform(0.5, 3))
    while not over.is_set():
        await way.lose(luck.uniform(0.8, 1.2) * LOST_S)
        await asyncio.sleep(luck.uniform(0.2, 3))


def order(events: list[Any]) -> list[tuple[int, int]]:
    """Return (seq, number) of the received events."""
    return [(int(args[-1].split(".")[1]), int(args[1]["ids"][0], 16)) for args in events]


async def people(world: World, count: int) -> list[Person]:
    """Register so many people at once; their passwords are hashed one by one."""
    return [await world.person("rider") for _ in range(count)]


async def all_heard(how_many: Any, count: int) -> None:
    """Wait for clients that are behind."""
    deadline = time.monotonic() + CATCH_UP_S
    while time.monotonic() < deadline and any(len(heard) < count for heard in how_many()):
        await asyncio.sleep(0.1)


async def test_all_of_it_arrives_in_order_and_once(world, http):
    luck = random.Random(7)
    gateways = [await world.gateway(realtime_engine=engine, **SLOW) for engine in ("native", "portable")]
    ports = [gateway.port for gateway in gateways]
    riders = await people(world, CLIENTS)
    async with AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(tunnel(ports, luck)) for _ in riders]
        phones = [Phone(rider, way, http) for rider, way in zip(riders, ways, strict=True)]
        lives = [asyncio.create_task(phone.live()) for phone in phones]
        while not all(phone.connects for phone in phones):
            await asyncio.sleep(0.05)
        end = time.monotonic() + SECONDS
        happenings, over = Happenings(world, riders), asyncio.Event()
        losses = [asyncio.create_task(lose_again_and_again(way, over, luck)) for way in ways]
        await happenings.until(end, ways, OUTAGES * len(ways))
        over.set()
        await asyncio.gather(*losses)
        await all_heard(lambda: [phone.heard for phone in phones], happenings.count)
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
    everything = [(number, number) for number in range(1, happenings.count + 1)]
    wrong = [(len(phone.heard), order(phone.heard)[-3:]) for phone in phones if order(phone.heard) != everything]
    assert wrong == []
    assert sum(phone.unrecovered for phone in phones) == 0
    assert sum(way.outages for way in ways) >= OUTAGES * CLIENTS
    assert sum(phone.connects for phone in phones) >= 2 * CLIENTS


def heard_by(each: Page) -> list[Any]:
    return [args for args in each.all("event") if isinstance(args[-1], str)]


@pytest.mark.parametrize("options", [{"transports": ["websocket"]}, {}], ids=["websocket", "default"])
async def test_the_js_client_hears_all_of_it_in_order_and_once(world, options):
    luck = random.Random(8)
    gateways = [await world.gateway(realtime_engine=engine, **SLOW) for engine in ("native", "portable")]
    ports = [gateway.port for gateway in gateways]
    riders = await people(world, JS_CLIENTS)
    async with AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(tunnel(ports, luck)) for _ in riders]
        pages = [await stack.enter_async_context(page()) for _ in riders]
        for each, rider, way in zip(pages, riders, ways, strict=True):
            await each.connect(way.port, rider.token, **options)
        end = time.monotonic() + SECONDS
        happenings, over = Happenings(world, riders), asyncio.Event()
        losses = [asyncio.create_task(lose_again_and_again(way, over, luck)) for way in ways]
        await happenings.until(end, ways, OUTAGES * len(ways))
        over.set()
        await asyncio.gather(*losses)
        await all_heard(lambda: [heard_by(each) for each in pages], happenings.count)
        everything = [(number, number) for number in range(1, happenings.count + 1)]
        for each in pages:
            assert order(heard_by(each)) == everything
            assert all(connect["recovered"] for connect in each.all("connect")[1:])
        assert sum(len(each.all("connect")) for each in pages) > JS_CLIENTS
