"""The writes of a crowd and their outcome, counted in the words of Jepsen's test of RabbitMQ."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Literal, NamedTuple, Self

Kind = Literal["post", "comment", "like", "follow"]


class Key(NamedTuple):
    """A write that can be there once: a post or comment by its text, a like or follow by its target."""

    kind: Kind
    by: str
    about: str
    text: str = ""


@dataclass
class Write:
    """A write that a client attempted: it was acknowledged, or refused, or nobody knows."""

    key: Key
    began: float = field(default_factory=time.perf_counter)
    acknowledged: float | None = None
    refused: str | None = None


@dataclass(frozen=True)
class Counts:
    """The outcome of writes. Lost, unexpected and duplicated are flaws; unknown and recovered are a client's luck."""

    attempted: int = 0
    acknowledged: int = 0
    refused: int = 0  # the server said that nothing was done
    unknown: int = 0  # no answer came before the client gave up
    stored: int = 0
    lost: int = 0  # acknowledged and not stored
    unexpected: int = 0  # stored, and refused or never attempted
    duplicated: int = 0  # stored once more than attempted
    recovered: int = 0  # unknown and stored

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


class Writes:
    """The writes of a crowd, in the order of their attempts."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.all: dict[Key, Write] = {}

    def attempt(self, key: Key) -> Write:
        """Note an attempt; raises ValueError where the write was attempted before, which nothing could tell apart."""
        if key in self.all:
            raise ValueError(f"{key} was attempted before")
        write = self.all[key] = Write(key, self._clock())
        return write

    def acknowledge(self, write: Write) -> None:
        """Note an acknowledgement."""
        write.acknowledged = self._clock()

    def acknowledged(self) -> list[Write]:
        """Return the acknowledged writes, in the order of their acknowledgements."""
        done = [(each.acknowledged, at, each) for at, each in enumerate(self.all.values()) if each.acknowledged]
        return [write for *_, write in sorted(done)]

    def count(self, stored: Counter[Key]) -> Counts:
        """Return the outcome, where `stored` says how often each write was found."""
        unknown = {key for key, each in self.all.items() if each.acknowledged is None and each.refused is None}
        acknowledged = {key for key, each in self.all.items() if each.acknowledged is not None}
        refused = {key for key, each in self.all.items() if each.refused is not None}
        found = {key for key, times in stored.items() if times}
        return Counts(
            attempted=len(self.all),
            acknowledged=len(acknowledged),
            refused=len(refused),
            unknown=len(unknown),
            stored=len(found & (acknowledged | unknown)),
            lost=len(acknowledged - found),
            unexpected=len(found - acknowledged - unknown),
            duplicated=sum(stored[key] - 1 for key in found),
            recovered=len(unknown & found),
        )

    def flaws(self, stored: Counter[Key]) -> list[str]:
        """Return a line for each write that is lost, unexpected or duplicated."""
        keys = dict.fromkeys([*self.all, *stored])
        return [f"{name}: {key}" for key in keys if (name := self._flaw(key, stored[key]))]

    def _flaw(self, key: Key, times: int) -> str:
        write = self.all.get(key)
        if times > 1:
            return "duplicated"
        if times and (write is None or write.refused is not None):
            return "unexpected"
        return "lost" if not times and write and write.acknowledged is not None else ""


def hole(numbers: Iterable[int], last: int) -> str:
    """Return the way in which the numbers of a stream are not exactly 1 to `last`, or nothing."""
    heard = Counter(numbers)
    missing = [each for each in range(1, last + 1) if each not in heard]
    beyond = [each for each in heard if not 1 <= each <= last]
    twice = [each for each, times in heard.items() if times > 1]
    words = [f"{name} {each}" for name, each in (("without", missing), ("beyond", beyond), ("twice", twice)) if each]
    return f"1 to {last} {', '.join(words)}" if words else ""
