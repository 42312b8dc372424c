"""A live view: a snapshot of the server's state and the events since then, joined without a hole or a double."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Generic, Literal, TypeVar

from plaza_client.core.packets import Event
from plaza_client.errors import PlazaError
from plaza_client.received import Received

Status = Literal["loading", "ready", "stale", "failed"]

T = TypeVar("T")
Fetched = TypeVar("Fetched")


@dataclass(frozen=True)
class Snapshot:
    """The state of a store at one moment; it never changes, a change makes a new one.

    `stale`: what is here was loaded, and is fetched again or cannot be at present. `failed`: `error` says why.
    """

    status: Status = "loading"
    error: PlazaError | None = None


@dataclass(frozen=True)
class Listed(Snapshot, Generic[T]):
    """A list that is loaded from its top down; `more` says whether there is something below."""

    items: tuple[T, ...] = ()
    more: bool = False


@dataclass(frozen=True)
class NotificationList(Listed[T]):
    """A list of notifications, last changed first, and how many of all of them are unread."""

    unread: int = 0


@dataclass(frozen=True)
class Single(Snapshot, Generic[T]):
    """A single thing; None before it is loaded, and when it is gone or hidden."""

    value: T | None = None


class Effect(Enum):
    """The effect of an event on a view."""

    NOTHING = 0
    CHANGED = 1
    STALE = 2  # the event says only that the state has to be fetched again


@dataclass
class View(ABC, Generic[Fetched]):
    """State that is fetched, and kept up to date by events.

    Events that come while it is fetched count twice: for the old state at once, and for the fetched state when that is
    here. So an event is in the state whether the fetch saw it or not.
    """

    EVENTS: ClassVar[frozenset[str]]

    _since: list[Event | Received] | None = field(default=None, init=False)

    def begin(self) -> None:
        """Note that fetching begins; to be called before the request is sent."""
        self._since = []

    def loaded(self, fetched: Fetched) -> Effect:
        """Replace the state by what was fetched, and by the events since fetching began."""
        since, self._since = self._since or [], None
        self._replace(fetched)
        effects = {self._apply(each) for each in since}
        return Effect.STALE if Effect.STALE in effects else Effect.CHANGED

    def take(self, news: Event | Received) -> Effect:
        """Take an event, or the answer to a write of this person's own."""
        if self._since is not None:
            self._since.append(news)
        return self._apply(news)

    def _apply(self, news: Event | Received) -> Effect:
        if not isinstance(news, Event):
            return self._answered(news)
        return self._happened(news) if news.name in self.EVENTS else Effect.NOTHING

    @abstractmethod
    def snapshot(self, status: Status, error: PlazaError | None) -> Snapshot:
        """Return the state as it is now."""

    @abstractmethod
    def _replace(self, fetched: Fetched) -> None: ...

    @abstractmethod
    def _happened(self, event: Event) -> Effect: ...

    def _answered(self, answer: Received) -> Effect:
        return Effect.NOTHING
