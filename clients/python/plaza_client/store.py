"""Live stores: views that are kept while somebody looks at them."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

from pydantic import ValidationError

from plaza_client.core.packets import Event
from plaza_client.core.retrying import REPEATABLE, Retrying
from plaza_client.core.view import Effect, Listed, Snapshot, Status, View
from plaza_client.errors import PlazaError, Unreachable
from plaza_client.received import Received

log = logging.getLogger("plaza_client")

S = TypeVar("S", bound=Snapshot)

Load = Callable[[int], Awaitable[Any]]  # so many pages
Subscriber = Callable[[S], object]
FETCH_AGAIN_S = 0.25  # at most so often, where many events say that a list has changed


class Rooms(Protocol):
    """The rooms that a store needs."""

    def enter(self) -> None:
        """Note that the rooms are needed."""

    def leave(self) -> None:
        """Note that the rooms are needed no more."""


class Hub(Protocol):
    """The source of events."""

    retrying: Retrying

    def opened(self, store: "Store[Any]") -> None:
        """Let a store hear events from now on."""

    def closed(self, store: "Store[Any]") -> None:
        """Let a store hear no more events."""

    async def wait_online(self) -> None:
        """Wait until events are heard; raises PlazaError."""


class Store(Generic[S]):
    """The server's state, live: the first subscriber opens a store, and after the last it is closed."""

    def __init__(self, hub: Hub, view: View[Any], load: Load, rooms: Rooms, *, stream: bool) -> None:
        """Make a closed store; `stream`: its events are of the stream, of which a resumed connection misses none."""
        self._hub = hub
        self._view = view
        self._load = load
        self._rooms = rooms
        self._stream = stream
        self._subscribers: dict[object, Subscriber[S]] = {}
        self._status: Status = "loading"
        self._error: PlazaError | None = None
        self._pages = 1
        self._stale = asyncio.Event()
        self._phase: Literal["kept", "waiting", "fetching"] = "kept"
        self._keeping: asyncio.Task[None] | None = None
        self._announced = False
        self._current: S | None = None

    def get(self) -> S:
        """Return the newest snapshot; without a subscriber it is as old as the last one."""
        if self._current is None:
            self._current = cast(S, self._view.snapshot(self._status, self._error))
        return self._current

    def subscribe(self, subscriber: Subscriber[S]) -> Callable[[], None]:
        """Call back soon, and with each newer snapshot; return the function that ends that."""
        key = object()
        self._subscribers[key] = subscriber
        if self._keeping is None:
            self._status, self._current = ("loading" if self._status == "loading" else "stale"), None
            self._stale.set()
            self._keeping = asyncio.create_task(self._keep())
            self._hub.opened(self)
            self._rooms.enter()
        asyncio.get_running_loop().call_soon(self._call, key)

        def unsubscribe() -> None:
            self._subscribers.pop(key, None)
            if not self._subscribers:
                self.close()

        return unsubscribe

    def __aiter__(self) -> AsyncGenerator[S, None]:
        """Yield the newest snapshot whenever there is a new one, until the store or the client is closed."""
        return self._snapshots()

    async def _snapshots(self) -> AsyncGenerator[S, None]:
        news = asyncio.Event()
        stop = self.subscribe(lambda _: news.set())
        try:
            while self._keeping is not None:
                await news.wait()
                news.clear()
                if self._keeping is not None:
                    yield self.get()
        finally:
            stop()

    async def until(self, holds: Callable[[S], object]) -> S:
        """Return the first snapshot for which a condition holds."""
        async with aclosing(self._snapshots()) as snapshots:
            async for snapshot in snapshots:
                if holds(snapshot):
                    return snapshot
        raise Unreachable("the client was closed")

    async def ready(self) -> S:
        """Return a snapshot that is up to date; raises the PlazaError of a failed fetch."""
        snapshot = await self.until(lambda each: each.status in ("ready", "failed"))
        if snapshot.error is not None:
            raise snapshot.error
        return snapshot

    async def refresh(self) -> S:
        """Fetch the state again, and return it; raises PlazaError."""
        stop = self.subscribe(lambda _: None)
        try:
            self._error = None
            self._become("stale")
            self._stale.set()
            return await self.ready()
        finally:
            stop()

    async def load_more(self) -> S:
        """Append the next page of a list, and return the longer list; raises PlazaError."""
        if isinstance(now := self.get(), Listed) and now.more:
            self._pages += 1
            return await self.refresh()
        return self.get()

    def close(self) -> None:
        """Stop hearing events; what was loaded stays."""
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
            self._hub.closed(self)
            self._rooms.leave()
            self._announce()

    def take(self, news: Event | Received) -> None:
        """Take an event, or the answer to a write of this person's own."""
        try:
            effect = self._view.take(news)
        except (ValidationError, KeyError, TypeError) as error:  # of a server that speaks otherwise
            log.warning("an event could not be read, and the state is fetched again: %s", error)
            effect = Effect.STALE
        if effect is Effect.STALE:
            self.make_stale()
        elif effect is Effect.CHANGED:
            self._announce()

    def online(self, *, gap: bool) -> None:
        """Fetch again what may have been missed while the connection was lost."""
        if self._phase == "waiting":
            return  # it is about to be fetched
        if not self._stream or gap or self._error is not None:
            self.make_stale()
        elif self._phase == "kept" and self._status == "stale" and not self._stale.is_set():
            self._become("ready")

    def offline(self) -> None:
        """Note that nothing is heard at present."""
        if self._status == "ready":
            self._become("stale")

    def make_stale(self) -> None:
        """Fetch the state again soon."""
        self._stale.set()
        if self._status == "ready":
            self._become("stale")

    async def _keep(self) -> None:
        """Fetch whenever that is due."""
        attempt = 0
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self._fetch()
                attempt = 0
            except PlazaError as error:
                self._become("failed", error)
                if error.status in REPEATABLE or error.status >= 500:  # a read, which may be repeated whatever failed
                    await asyncio.sleep(self._hub.retrying.wait_s(attempt))
                    attempt += 1
                    self._stale.set()
            finally:
                self._phase = "kept"
            if self._status == "stale":
                await asyncio.sleep(FETCH_AGAIN_S)

    async def _fetch(self) -> None:
        self._phase = "waiting"
        await self._hub.wait_online()
        self._phase = "fetching"
        self._view.begin()
        if self._view.loaded(await self._load(self._pages)) is Effect.STALE:
            self._stale.set()
        self._become("stale" if self._stale.is_set() else "ready")

    def _become(self, status: Status, error: PlazaError | None = None) -> None:
        self._status, self._error = status, error
        self._announce()

    def _announce(self) -> None:
        """Call back once for all that changed in this turn of the loop."""
        self._current = None
        if not self._announced:
            self._announced = True
            asyncio.get_running_loop().call_soon(self._call_all)

    def _call_all(self) -> None:
        self._announced = False
        for key in list(self._subscribers):
            self._call(key)

    def _call(self, key: object) -> None:
        if (subscriber := self._subscribers.get(key)) is not None:
            subscriber(self.get())
