"""Networks that drop again and again while events flow: everything arrives, in order, once."""

import asyncio
import os
import random

import aiohttp
from support.sockets import Person, Wire, World

from realtime.app import Gateway
from social.contracts.pushes import Push, frame, user_room
from social.infra import clock
from social.notifications import streams

SOAK = bool(os.environ.get("PLAZA_SOAK"))  # make soak
CLIENTS = int(os.environ.get("PLAZA_DROPPING_CLIENTS", "30" if SOAK else "20"))
SECONDS = float(os.environ.get("PLAZA_DROPPING_SECONDS", "60" if SOAK else "5"))


class Rider:
    """A person on a train: connected, in a tunnel, connected again."""

    def __init__(self, world: World, person: Person, http: aiohttp.ClientSession) -> None:
        self.world, self.person, self._http = world, person, http
        self.seen: list[int] = []
        self.pid: str | None = None
        self.offset: str | None = None
        self.returns = self.unrecovered = 0

    async def ride(self, gateways: list[Gateway], until: float) -> None:
        while clock.now().timestamp() < until:
            wire = await self.connect(random.choice(gateways))
            if wire.connected:
                await asyncio.sleep(random.uniform(0, 1.2))
            wire.drop()
            self.keep(wire)
            await asyncio.sleep(random.choice([0, 0.05, random.uniform(0, 2)]))

    async def connect(self, gateway: Gateway) -> Wire:
        kept = {"pid": self.pid, "offset": self.offset} if self.pid else {}
        wire = Wire(gateway.port, self._http)
        await wire.open({"token": self.person.token} | {key: value for key, value in kept.items() if value})
        if wire.connected:
            self.returns += self.pid is not None
            self.unrecovered += self.pid not in (None, wire.pid)
            self.pid = wire.pid
        return wire

    def keep(self, wire: Wire) -> None:
        self.seen += [int(args[1]["ids"][0], 16) for args in wire.events]
        self.offset = wire.offset or self.offset

    async def hear(self, number: int) -> None:
        """Append an event to the person's stream, then push it."""
        entry = streams.Entry(f"read:{number:024x}", 1, "notifications.read")
        epoch, (item,) = await streams.append(self.world.plaza.mongo, self.person.id, [entry])
        body = frame(entry.e, {"ids": [f"{number:024x}"], "unread": 0}, f"{epoch}.{item.s}")
        push = Push("S", clock.millis(clock.now()), epoch, item.s, "", body)
        await self.world.plaza.pushes.send([(user_room(self.person.id), push.encode())])


async def test_everything_arrives_in_order_and_once(world, http, redis_server):
    gateways = [await world.gateway(sweep_s=2) for _ in range(2)]
    riders = [Rider(world, await world.person("rider"), http) for _ in range(CLIENTS)]
    for rider in riders:  # a first connect, from which on nothing may be missed
        wire = await rider.connect(gateways[0])
        wire.drop()
    end = clock.now().timestamp() + SECONDS
    rides = [asyncio.create_task(rider.ride(gateways, end)) for rider in riders]
    number = 0
    killed = False
    while clock.now().timestamp() < end:
        number += 1
        await asyncio.gather(*(rider.hear(number) for rider in riders))
        if not killed and clock.now().timestamp() > end - SECONDS / 2:
            killed = True
            await redis_server.kill()
            await asyncio.sleep(0.5)
            await redis_server.start()
        await asyncio.sleep(0.05)
    await asyncio.gather(*rides)
    for rider in riders:
        wire = await rider.connect(gateways[1])
        left = number - len(rider.seen)
        await wire.until(lambda wire=wire, left=left: len(wire.events) >= left)
        rider.keep(wire)
        await wire.close()
        assert rider.seen == list(range(1, number + 1))
        assert rider.unrecovered == 0
    assert sum(rider.returns for rider in riders) > CLIENTS
