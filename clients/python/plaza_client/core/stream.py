"""The order of a person's stream: every event has a number, and each is handed on once, without a hole."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from plaza_client.core.packets import Event


class Position(NamedTuple):
    """A place in a stream; a server that lost its streams begins a new epoch."""

    epoch: str
    seq: int

    @classmethod
    def parse(cls, offset: str) -> "Position":
        """Return the position that an offset of the server names; raises ValueError."""
        epoch, _, seq = offset.rpartition(".")
        return cls(epoch, int(seq))

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"

    def reaches(self, offset: str) -> bool:
        """Return whether the event at an offset is at this position or before it."""
        other = self.parse(offset)
        return self.epoch == other.epoch and other.seq <= self.seq


class Step(NamedTuple):
    """The distance of an event from the event before it."""

    repeated: bool = False
    missed: int = 0  # numbers between this event and the one before


class Stream:
    """The position of a reader in a stream."""

    def __init__(self, *, from_the_beginning: bool = False) -> None:
        """Begin at an unknown position, or before event 1, as a new account does."""
        self._position: Position | None = None
        self._beginning = from_the_beginning

    @property
    def offset(self) -> str | None:
        """The offset of the last event; None before anything came."""
        return str(self._position) if self._position else None

    def look(self, offset: str) -> Step:
        """Return how the event at an offset would follow; an event of another epoch begins the stream anew."""
        there, here = Position.parse(offset), self._position
        if here is None:
            return Step(missed=there.seq - 1 if self._beginning else 0)
        if here.epoch != there.epoch:
            return Step()
        return Step(repeated=there.seq <= here.seq, missed=max(0, there.seq - here.seq - 1))

    def take(self, offset: str) -> Step:
        """Move to an offset unless it was reached before; return how it follows."""
        step = self.look(offset)
        if not step.repeated:
            self._position = Position.parse(offset)
        return step

    def restart(self, offset: str) -> None:
        """Move to an offset, wherever the stream was."""
        self._position = Position.parse(offset)


class Joined(NamedTuple):
    """The events that came of catching up; with a `gap`, state that was made of earlier events is to be fetched."""

    events: list[Event]
    gap: bool


class Inbox:
    """Joins what is pushed with what is read after a lost connection.

    While it is unknown what was missed, events are held. Then `resume` or `catch_up` lets them go on.
    """

    def __init__(self, *, from_the_beginning: bool = False) -> None:
        self.stream = Stream(from_the_beginning=from_the_beginning)
        self.repeated = 0  # events that the server sent again without need
        self.missed = 0  # events that a later one showed to be missing
        self._held: list[Event] | None = None
        self._read_until: Position | None = None  # a push of these may still be on its way

    @property
    def holding(self) -> bool:
        """Whether events are held, because some may be missing before them."""
        return self._held is not None

    def hold(self) -> None:
        """Hold events from now on: the connection is new, and it is unknown whether the stream goes on."""
        self._held = []

    def push(self, event: Event) -> list[Event]:
        """Take a pushed event; return what is to be handed on. Where a number is missing, `holding` begins."""
        if event.offset is None:
            return [event]
        if self._held is not None:
            self._held.append(event)
            return []
        step = self.stream.look(event.offset)
        if step.repeated:
            self.repeated += not (self._read_until and self._read_until.reaches(event.offset))
            return []
        if step.missed:
            self.missed += step.missed
            self._held = [event]
            return []
        self.stream.take(event.offset)
        return [event]

    def resume(self) -> list[Event]:
        """Return the events that were held: the server sends what was missed itself."""
        held, self._held = self._held or [], None
        return [each for event in held for each in self.push(event)]

    def catch_up(self, answer: Mapping[str, Any]) -> Joined:
        """Take the answer to `sync`: the events that were missed, or the offset from which the stream goes on."""
        held, self._held = self._held or [], None
        self._read_until = Position.parse(answer["offset"])
        if answer["recovered"]:
            missed = [Event(each["event"], each["data"], each["offset"]) for each in answer["events"]]
        else:
            missed = []
            self.stream.restart(answer["offset"])
        events = [event for event in (*missed, *held) if event.offset and not self.stream.take(event.offset).repeated]
        return Joined(events, gap=not answer["recovered"])
