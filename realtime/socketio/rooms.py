"""python-socketio's manager with the engine's topics as rooms; the cost of a client grows only with its own rooms."""

import itertools
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import Any, Protocol

import socketio
from socketio.packet import EVENT

from realtime.engine.protocol import Engine
from realtime.socketio.packets import Frame, arguments, encode


class EngineOwner(Protocol):
    """The server of a manager, as far as the manager uses it."""

    engine: Engine


class Member:
    """A client in a namespace."""

    __slots__ = ("callbacks", "connected", "eio_sid", "namespace", "rooms", "sid")

    def __init__(self, sid: str, eio_sid: str, namespace: str) -> None:
        self.sid = sid
        self.eio_sid = eio_sid
        self.namespace = namespace
        self.connected = False  # its CONNECT was written; until then it is in no topic and receives nothing
        self.rooms: set[Any] | None = None
        self.callbacks: dict[int, Callable[..., Any]] | None = None


class Rooms(socketio.AsyncManager):  # type: ignore[misc]
    """The members of rooms. A room is a topic of the engine from the moment its member's CONNECT was written."""

    def __init__(self) -> None:
        super().__init__()
        self.engine: Engine
        self.rooms: dict[str, dict[Any, set[Member]]] = {}
        self.members: dict[str, dict[str, Member]] = {}
        self._by_connection: dict[str, tuple[Member, ...]] = {}
        self._ack_ids = itertools.count(1)

    def set_server(self, server: EngineOwner) -> None:
        super().set_server(server)
        self.engine = server.engine

    def member(self, sid: str | None, namespace: str = "/") -> Member | None:
        """Return the local client with this sid, also while its CONNECT is still being authorised."""
        members = self.members.get(namespace)
        return members.get(sid) if members is not None and sid is not None else None

    def of_connection(self, eio_sid: str) -> tuple[Member, ...]:
        """Return the members of a connection, one for each namespace it is in."""
        return self._by_connection.get(eio_sid, ())

    def get_namespaces(self) -> Iterable[str]:
        return self.members.keys()

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        return next((m.sid for m in self.of_connection(eio_sid) if m.namespace == namespace), None)

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        member = self.member(sid, namespace)
        return member.eio_sid if member is not None else None

    def is_connected(self, sid: str, namespace: str) -> bool:
        member = self.member(sid, namespace)
        return member is not None and member.connected

    def is_pre_connected(self, sid: str, namespace: str) -> bool:
        member = self.member(sid, namespace)
        return member is not None and not member.connected

    def is_sid_room(self, namespace: str, room: Any) -> bool:
        return room in self.members.get(namespace, ())

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        member = self.member(sid, namespace)
        return [] if member is None else [sid, *(member.rooms or ())]

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        for member in self._targets(namespace, room):
            yield member.sid, member.eio_sid

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        if self.sid_from_eio_sid(eio_sid, namespace) is not None:
            return None
        return self.register(self.server.eio.generate_id(), eio_sid, namespace).sid

    async def connect(self, sid: str, namespace: str) -> str:
        self.activate(self.members[namespace][sid])
        return sid

    def register(self, sid: str, eio_sid: str, namespace: str) -> Member:
        """Record a client that is not connected yet."""
        member = Member(sid, eio_sid, namespace)
        self.members.setdefault(namespace, {})[sid] = member
        self._by_connection[eio_sid] = (*self.of_connection(eio_sid), member)
        return member

    def activate(self, member: Member) -> None:
        """Let a member, whose CONNECT was written, receive from now on what is sent to its rooms."""
        member.connected = True
        self.engine.subscribe(member.eio_sid, member.namespace)
        for room in member.rooms or ():
            self.engine.subscribe(member.eio_sid, _topic(member.namespace, room))

    def drop(self, member: Member) -> frozenset[Any]:
        """Remove a client, and return the rooms it was in."""
        members = self.members.get(member.namespace)
        if members is None or members.get(member.sid) is not member:
            return frozenset()
        del members[member.sid]
        if not members:
            del self.members[member.namespace]
        others = tuple(m for m in self.of_connection(member.eio_sid) if m is not member)
        if others:
            self._by_connection[member.eio_sid] = others
        else:
            del self._by_connection[member.eio_sid]
        if member.connected:
            self.engine.unsubscribe(member.eio_sid, member.namespace)
        rooms = frozenset(member.rooms or ())
        for room in rooms:
            self._leave(member, room)
        member.connected = False
        return rooms

    async def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        self.basic_disconnect(sid, namespace)

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        member = self.member(sid, namespace)
        if member is not None:
            self.drop(member)

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        member = self.member(sid, namespace)
        if member is None:
            raise ValueError("sid is not connected to requested namespace")
        if room is None or room == sid:
            return
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot enter a sid room")
        if member.rooms is None:
            member.rooms = set()
        elif room in member.rooms:
            return
        member.rooms.add(room)
        inside = self.rooms.setdefault(namespace, {}).setdefault(room, set())
        inside.add(member)
        if member.connected:
            self.engine.subscribe(member.eio_sid, _topic(namespace, room))

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        member = self.member(sid, namespace)
        if member is not None and member.rooms and room in member.rooms:
            self._leave(member, room)

    def basic_close_room(self, room: Any, namespace: str) -> None:
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot close a sid room")
        for member in list(self.rooms.get(namespace, {}).get(room, ())):
            self._leave(member, room)

    def _leave(self, member: Member, room: Any) -> None:
        assert member.rooms is not None
        member.rooms.discard(room)
        rooms = self.rooms[member.namespace]
        rooms[room].discard(member)
        if member.connected:
            self.engine.unsubscribe(member.eio_sid, _topic(member.namespace, room))
        if not rooms[room]:
            del rooms[room]
            if not rooms:
                del self.rooms[member.namespace]

    async def emit(  # noqa: PLR0917 - upstream's signature
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        skip = (
            skip_sid if isinstance(skip_sid, (list, tuple, set, frozenset)) else () if skip_sid is None else (skip_sid,)
        )
        content = [event, *arguments(data)]
        if callback is None:
            self.write(encode(EVENT, content, namespace), namespace, to or room, skip)
            return
        for member in self._targets(namespace, to or room):
            if member.sid not in skip:
                frames = encode(EVENT, content, namespace, self._generate_ack_id(member, callback))
                self.write_to(member, frames)

    def write(self, frames: list[Frame], namespace: str, room: Any = None, skip: Collection[str] = ()) -> None:
        """Send encoded frames to everyone (None), a sid, a room or several: one native publish where it can be."""
        several = room is not None and not isinstance(room, str) and hasattr(room, "__len__")
        if not several and not self.is_sid_room(namespace, room):
            self._publish(frames, namespace, room, skip)
            return
        for member in self._targets(namespace, room):
            if member.sid not in skip:
                self.write_to(member, frames)

    def _publish(self, frames: list[Frame], namespace: str, room: Any, skip: Collection[str]) -> None:
        topic = namespace if room is None else _topic(namespace, room)
        found = (self.member(sid, namespace) for sid in skip)
        # A publish reaches the members subscribed at that moment, so skipped members are unsubscribed for it.
        out = [m for m in found if m is not None and m.connected and (room is None or room in (m.rooms or ()))]
        for member in out:
            self.engine.unsubscribe(member.eio_sid, topic)
        for frame, binary in frames:
            self.engine.publish(topic, frame, binary)
        for member in out:
            self.engine.subscribe(member.eio_sid, topic)

    def write_to(self, member: Member, frames: list[Frame]) -> bool:
        """Send encoded frames to one client; return False when it did not get all of them."""
        return member.connected and all(self.engine.send(member.eio_sid, *frame) for frame in frames)

    def _targets(self, namespace: str, room: Any) -> list[Member]:
        members, rooms = self.members.get(namespace, {}), self.rooms.get(namespace, {})
        if room is None:
            found: Iterable[Member] = members.values()
        elif isinstance(room, str) or not hasattr(room, "__len__"):
            found = (members[room],) if room in members else rooms.get(room, ())
        else:
            found = {m: None for each in room for m in self._targets(namespace, each)}
        return [member for member in found if member.connected]

    def _generate_ack_id(self, member: Member, callback: Callable[..., Any]) -> int:
        if member.callbacks is None:
            member.callbacks = {}
        number = next(self._ack_ids)
        member.callbacks[number] = callback
        return number

    async def trigger_callback(self, sid: str, id: int, data: list[Any]) -> None:
        for members in self.members.values():
            member = members.get(sid)
            if member is not None and member.callbacks and id in member.callbacks:
                answer = member.callbacks.pop(id)(*data)
                if isinstance(answer, Awaitable):
                    await answer
                return


def _topic(namespace: str, room: Any) -> str:
    return f"{namespace}\x1f{room}"
