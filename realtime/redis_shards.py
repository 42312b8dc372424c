"""Sharded pub/sub on a Redis Cluster: a connection to each master, and each channel on the one that owns its slot."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis.exceptions import MovedError, ResponseError

from realtime.redis_listener import BEAT, RECONNECT_S, Hub, Listener
from social.infra.observe import logs
from social.infra.redis.cluster import ClusterRedis
from social.infra.redis.redis import AWAY, listening
from social.infra.redis.slots import Address, slot_of

log = logs.get("redis_shards")

SETTLE_S = 0.05  # the channels of a slot that moved are reported one by one
LEARNT_S = 5.0  # until those who push know the new owner, too: a node that hangs takes 2 s of each, then they ask
REGAIN_EVERY_S = 1.0  # the streams of all sockets are read again: not for each of a thousand slots that move


class ShardListener(Listener):
    """The connection to one master of a cluster."""

    message_kind = b"smessage"

    def __init__(
        self,
        cluster: ClusterRedis,
        address: Address,
        hub: "Shards",
        *,
        beat_channel: str,
        beat_s: float,
        silence_s: float,
    ) -> None:
        super().__init__(cluster, hub, beat_channel=beat_channel, beat_s=beat_s, silence_s=silence_s)
        self.address = address
        self._cluster = cluster
        self._shards = hub

    def open(self) -> Any:
        """Return a pub/sub connection to this master."""
        return listening(self._cluster.node(self.address))

    async def subscribe(self, pubsub: Any, names: Sequence[str]) -> None:
        """Request channels: one command for each slot, all in one write."""
        await self._send(pubsub, "SUBSCRIBE", names)

    async def unsubscribe(self, pubsub: Any, names: Sequence[str]) -> None:
        """Request the end of channels."""
        await self._send(pubsub, "UNSUBSCRIBE", names)

    async def _send(self, pubsub: Any, command: str, names: Sequence[str]) -> None:
        slots: dict[int, list[str]] = {}
        for name in names:
            slots.setdefault(-1 if name in self._shards.unsharded else slot_of(name), []).append(name)
        if not slots:
            return
        if pubsub.connection is None:
            await pubsub.connect()
        commands = [(command if slot < 0 else f"S{command}", *some) for slot, some in slots.items()]
        connection = pubsub.connection
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)

    @property
    def receiver(self) -> Callable[[str, bytes], None]:
        """The handler of messages; a master that became a replica still sends those of channels that have moved."""
        channels, received = self.channels, self._hub.received

        def receive(name: str, data: bytes) -> None:
            if name in channels:
                received(name, data)

        return receive

    async def answered(self, pubsub: Any, response: list[Any]) -> None:
        """Handle the answer to a request, or that the slot of a channel moved away."""
        kind, channel, data = response
        name = channel.decode()
        if kind == b"message":
            self._hub.received(name, data)
        elif kind == b"sunsubscribe" and name not in self._unconfirmed:
            self._forget([name])
        else:
            self.confirm(name)

    def refused(self, error: ResponseError) -> None:
        """Handle that another node owns a slot; raise any other error."""
        if not isinstance(error, MovedError):
            raise error
        self._cluster.moved(error, self.address)
        self._forget([each for each in self._unconfirmed if slot_of(each) == error.slot_id])

    def _forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._unconfirmed.pop(name, None)
            self._sent.discard(name)
            self.confirmed.discard(name)
            self._shards.on_moved(name)

    def request_again(self) -> None:
        """Request the wanted channels that this node has unsubscribed by itself."""
        missing = [each for each in self.channels if each not in self._sent]
        if missing:
            self._dirty |= dict.fromkeys(missing)
            self._wake.set()

    def beat_on(self, channel: str) -> None:
        """Publish beats on another channel, since the slot of the last one moved away."""
        self.want(self.beat_channel, False)
        self.beat_channel = channel
        self.want(channel, True)

    async def publish_beat(self) -> None:
        """Publish a message where the cluster has the beat's channel: it arrives only while this node owns it."""
        await self._cluster.publish(self.beat_channel, BEAT)


class Shards:
    """The listeners of a cluster's masters; channels move with their slots."""

    def __init__(self, cluster: ClusterRedis, hub: Hub, *, beats: str, beat_s: float, silence_s: float) -> None:
        """Listen for `hub`; `beats` begins the names of the channels of beats."""
        self.unsharded: set[str] = set()
        self.received = hub.received
        self.tick = hub.tick
        self._cluster = cluster
        self._hub = hub
        self._beats = beats
        self._times = {"beat_s": beat_s, "silence_s": silence_s}
        self._wanted: set[str] = set()
        self._places: dict[str, ShardListener] = {}  # where each channel is wanted
        self._listeners: dict[Address, ShardListener] = {}
        self._tasks: dict[Address, asyncio.Task[None]] = {}
        self._gap: set[str] = set()  # channels that moved and are not confirmed again
        self._regaining: asyncio.Task[None] | None = None
        self._regained_at = -math.inf
        self._late: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._changed.set()

    @property
    def up(self) -> bool:
        """Whether the channels of all nodes are confirmed."""
        nodes = self._listeners.values()
        return (
            bool(nodes) and all(each.up for each in nodes) and not self._gap and len(self._places) == len(self._wanted)
        )

    def want(self, name: str, wanted: bool) -> None:
        """Subscribe or unsubscribe a channel soon, on the node that owns its slot."""
        if wanted and name not in self._wanted:
            self._wanted.add(name)
            self._place(name)
        elif not wanted:
            self._wanted.discard(name)
            if place := self._places.pop(name, None):
                place.want(name, False)
            self._close(name)

    def is_confirmed(self, name: str) -> bool:
        """Return whether messages on a channel arrive here now."""
        return (place := self._places.get(name)) is not None and name in place.confirmed

    def on_moved(self, name: str) -> None:
        """Note that a channel is silent until it is confirmed again, here or elsewhere; ask soon who owns its slot."""
        if name in self._wanted:
            self._gap.add(name)
        self._changed.set()

    def on_confirmed(self, name: str) -> None:
        """Note that a channel is confirmed; the last of those that moved ends their gap."""
        self._hub.on_confirmed(name)
        if self.is_confirmed(name):
            self._close(name)

    def _close(self, name: str) -> None:
        if name in self._gap:
            self._gap.discard(name)
            if not self._gap and (self._regaining is None or self._regaining.done()):
                self._regaining = asyncio.create_task(self._regained(), name="redis channels moved")

    async def _regained(self) -> None:
        """Have the hub read what was missed; slots that move meanwhile share the next time."""
        await asyncio.sleep(self._regained_at + REGAIN_EVERY_S - time.monotonic())
        self._regained_at = time.monotonic()
        if not self._gap:  # else its end brings us here again
            log.info("redis channels moved")
            await self._hub.on_regained()
            if self._late is not None:
                self._late.cancel()
            self._late = asyncio.create_task(self._regained_late(), name="redis owners learnt")

    async def _regained_late(self) -> None:
        """Have the hub read what was pushed meanwhile to the owner before."""
        await asyncio.sleep(LEARNT_S)
        await self._hub.on_regained()

    def on_lost(self) -> None:
        """Note that a node's connection was lost: others may own its slots now."""
        self._hub.on_lost()
        self._changed.set()

    async def on_regained(self) -> None:
        """Note that the channels of a node are confirmed."""
        await self._hub.on_regained()

    async def run(self) -> None:
        """Listen at every master as long as the process lives."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                try:
                    await self._cluster.refresh()
                except AWAY as error:
                    log.debug("owners of redis slots not known", error=str(error) or type(error).__name__)
                    self._changed.set()
                    await asyncio.sleep(RECONNECT_S)
                    continue
                await self._arrange()
                await asyncio.sleep(SETTLE_S)
        finally:
            await self._end(list(self._tasks))
            for task in (self._regaining, self._late):
                if task is not None:
                    task.cancel()

    async def _arrange(self) -> None:
        """Have a listener at every master, and every channel at the owner of its slot."""
        masters = self._cluster.masters
        for address in masters:
            if address not in self._listeners:
                self._listen_at(address)
        for name in self._wanted:
            self._place(name)
        await self._end([each for each in self._listeners if each not in masters])
        for address, listener in self._listeners.items():
            if self._cluster.owner(listener.beat_channel) != address:
                listener.beat_on(self._cluster.name_on(address, self._beats))
            listener.request_again()
        if len(self._places) < len(self._wanted):
            await asyncio.sleep(RECONNECT_S)
            self._changed.set()

    def _place(self, name: str) -> None:
        owner, now = self._cluster.owner(name), self._places.get(name)
        place = self._listeners.get(owner) if owner is not None else None
        if place is None:
            self._changed.set()
        if place is now:
            return
        if now is not None:
            now.want(name, False)
            del self._places[name]
            self._gap.add(name)
        if place is not None:
            self._places[name] = place
            place.want(name, True)

    def _listen_at(self, address: Address) -> None:
        beat_channel = self._cluster.name_on(address, self._beats)
        listener = ShardListener(self._cluster, address, self, beat_channel=beat_channel, **self._times)
        self._listeners[address] = listener
        self._tasks[address] = asyncio.create_task(listener.run(), name=f"redis listener {address}")

    async def _end(self, addresses: Sequence[Address]) -> None:
        tasks = []
        for address in addresses:
            self._listeners.pop(address, None)
            tasks.append(self._tasks.pop(address))
            tasks[-1].cancel()
        if tasks:
            await asyncio.wait(tasks)
