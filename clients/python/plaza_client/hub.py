"""The way of an event from the connection to those who hear it, and the rooms that somebody needs."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from plaza_client.core.packets import Event
from plaza_client.core.retrying import Retrying
from plaza_client.errors import PlazaError
from plaza_client.received import Received
from plaza_client.store import Store

log = logging.getLogger("plaza_client")

EventListener = Callable[[Event], object]
Room = tuple[str, str]  # kind, id

LEAVE: dict[str, Callable[[str], tuple[str, dict[str, Any]]]] = {
    "post": lambda of: ("post.unwatch", {"post_id": of}),
    "presence": lambda of: ("presence.unwatch", {"user_ids": [of]}),
}


class Hub:
    """Hands events on to listeners and to the stores that are open."""

    def __init__(self, wait_online: Callable[[], Awaitable[None]], retrying: Retrying) -> None:
        self.retrying = retrying
        self._wait_online = wait_online
        self._open: set[Store[Any]] = set()
        self._listeners: list[EventListener] = []

    def listen(self, listener: EventListener) -> Callable[[], None]:
        """Call back with every event; return the function that ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def event(self, event: Event) -> None:
        """Hand an event on; a listener that fails is logged."""
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed at %s", event.name)
        self.take(event)

    def take(self, news: Event | Received) -> None:
        """Hand an event, or the answer to a write of the person's own, on to the stores."""
        for store in list(self._open):
            store.take(news)

    def online(self, *, gap: bool) -> None:
        """Let stores fetch what they may have missed."""
        for store in list(self._open):
            store.online(gap=gap)

    def offline(self) -> None:
        """Let stores know that nothing is heard at present."""
        for store in list(self._open):
            store.offline()

    def opened(self, store: Store[Any]) -> None:
        """Let a store hear events from now on."""
        self._open.add(store)

    def closed(self, store: Store[Any]) -> None:
        """Let a store hear no more events."""
        self._open.discard(store)

    async def wait_online(self) -> None:
        """Wait until events are heard; raises PlazaError."""
        await self._wait_online()

    def close(self) -> None:
        """Close all stores."""
        for store in list(self._open):
            store.close()


class Rooms:
    """Rooms of the gateway that several stores may need: the last one to close leaves them."""

    def __init__(self, send: Callable[[str, dict[str, Any]], Awaitable[Any]]) -> None:
        self._send = send
        self._needed: Counter[Room] = Counter()
        self._leaving: set[asyncio.Task[None]] = set()

    def of(self, rooms: Sequence[Room]) -> "RoomsOfStore":
        """Return the rooms of one store."""
        return RoomsOfStore(self, rooms)

    def enter(self, rooms: Sequence[Room]) -> None:
        """Note that rooms are needed; a store enters them itself, whenever it fetches its snapshot."""
        self._needed.update(rooms)

    def leave(self, rooms: Sequence[Room]) -> None:
        """Note that rooms are not needed any more, and leave those that nobody needs."""
        self._needed.subtract(rooms)
        if rooms:
            task = asyncio.get_running_loop().create_task(self._leave(rooms))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    def close(self) -> None:
        """Leave no more rooms: the connection is about to end."""
        for task in self._leaving:
            task.cancel()

    async def _leave(self, rooms: Sequence[Room]) -> None:
        for room in rooms:
            if self._needed[room] <= 0:  # nobody has entered meanwhile
                del self._needed[room]
                kind, of = room
                try:
                    await self._send(*LEAVE[kind](of))
                except PlazaError as error:
                    log.debug("a room was not left: %s", error)


class RoomsOfStore:
    """The rooms that one store needs."""

    def __init__(self, rooms: Rooms, of: Sequence[Room]) -> None:
        self._rooms = rooms
        self._of = of

    def enter(self) -> None:
        """Note that the rooms are needed."""
        self._rooms.enter(self._of)

    def leave(self) -> None:
        """Note that the rooms are needed no more."""
        self._rooms.leave(self._of)
