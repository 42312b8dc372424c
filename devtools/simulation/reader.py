"""A client that reads its stream over a socket, as official clients do: it comes back with pid and offset."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from devtools.simulation.crowd import Person
from devtools.simulation.programs import Program
from devtools.simulation.sockets import ClientEnd, MemoryWire
from devtools.simulation.world import World
from social.contracts.codec import decode, from_base64url

ANSWERS_WITHIN_S = 10.0
SILENT_S = 50.0


@dataclass(eq=False)
class Reader:
    """A person's client: what it received, and the flaws of that."""

    world: World
    person: Person
    token: str
    gateways: Sequence[Program]
    seqs: list[int] = field(default_factory=list)
    revisions: dict[str, int] = field(default_factory=dict)  # of each notification the newest that was shown
    flaws: list[str] = field(default_factory=list)
    pid: str | None = None
    base: int = 0  # the number of the stream when the client began
    offset: str | None = None
    connects: int = 0
    _frames: "asyncio.Queue[bytes | None]" = field(default_factory=asyncio.Queue)

    @property
    def position(self) -> int:
        """The number of the last item that the client has."""
        return self.seqs[-1] if self.seqs else self.base

    async def run(self) -> None:
        """Read for ever."""
        world = self.world
        while True:
            program = world.chance.choice(self.gateways)
            if program.process.alive and program.engine is not None:
                await self._connection(program)
            await asyncio.sleep(0.05 + world.chance.random() * 0.5)

    async def _connection(self, program: Program) -> None:
        world, process = self.world, program.process
        frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        end = ClientEnd(world.network, frames.put_nowait)
        wires: list[MemoryWire] = []

        def send(packet: str) -> None:
            world.loop.call_in(process, world.network.latency(), _arrive, program, wires, end, packet)

        lost = partial(frames.put_nowait, None)
        world.mourners[process][lost] = None
        try:
            send("")
            await self._talk(frames, send)
        finally:
            end.cut()
            if process.alive and world.chance.random() < 0.7:  # otherwise the gateway does not notice for long
                world.loop.call_in(process, world.network.latency(), _left, program, wires)
            world.mourners.get(process, {}).pop(lost, None)

    async def _talk(self, frames: "asyncio.Queue[bytes | None]", send: Any) -> None:
        world = self.world
        stays_until = world.loop.time() + world.chance.choice((0.5, 2.0, 1e9))
        while True:
            try:
                async with asyncio.timeout(min(SILENT_S, max(0.0, stays_until - world.loop.time()))):
                    frame = await frames.get()
            except TimeoutError:
                return
            if frame is None:
                return
            if frame.startswith(b"0"):
                auth = {"token": self.token, **({"pid": self.pid, "offset": self.offset} if self.pid else {})}
                send("40" + json.dumps({key: each for key, each in auth.items() if each is not None}))
            elif frame == b"2":
                send("3")
            elif frame.startswith(b"40"):
                self._connected(json.loads(frame[2:]))
            elif frame.startswith(b"42"):
                self._event(*json.loads(frame[2:]))
            elif frame.startswith((b"44", b"41")):
                self.flaws.append(f"{self.person.username} was refused: {frame.decode()}")
                return

    def _connected(self, answer: dict[str, Any]) -> None:
        self.connects += 1
        if self.pid is not None and answer["pid"] != self.pid:
            self.flaws.append(f"{self.person.username} came back and was not recovered")
        if self.pid is None:
            self.base = decode(from_base64url(answer["pid"].partition(".")[0]))[4]
        self.pid = answer["pid"]

    def _event(self, event: str, data: dict[str, Any], offset: str | None = None) -> None:
        if offset is None:
            return
        self.offset = offset
        self.seqs.append(int(offset.partition(".")[2]))
        if event.startswith("notification") and "id" in data:
            known = self.revisions.get(data["id"], -1)
            self.revisions[data["id"]] = max(known, data["rev"])


def _arrive(program: Program, wires: list[MemoryWire], end: ClientEnd, packet: str) -> None:
    engine = program.engine
    if engine is None:
        return
    if not packet:
        wires.append(engine.accept(end))
    elif wires:
        engine.wire_received(wires[0], packet)


def _left(program: Program, wires: list[MemoryWire]) -> None:
    if wires and program.engine is not None and wires[0].session is not None:
        program.engine.wire_closed(wires[0])
