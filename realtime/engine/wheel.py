"""Time without a timer per connection: a wheel that pings one slot at a time, and a heap for the rare deadlines."""

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, Generic, Protocol, TypeVar


class WheelMember(Protocol):
    """A member of a wheel: `seen` is the wheel's serial when its peer last sent something, `slot` its place."""

    seen: int
    slot: int


T = TypeVar("T", bound=WheelMember)


class Wheel(Generic[T]):
    """Pings every member once per interval, at most one tick early; returns members silent for `timeout_s` after it."""

    def __init__(self, interval_s: float, timeout_s: float, longest_tick_s: float = 1.0) -> None:
        slots = max(10, round(interval_s / longest_tick_s))
        self.tick_s = interval_s / slots
        self.timeout_s = timeout_s
        self.serial = 0
        self.next_at = 0.0
        self.slots: list[set[T]] = [set() for _ in range(slots)]
        self._sweeps: deque[tuple[float, int]] = deque()  # (when, the serial whose ping must have been answered)

    def start(self, now: float) -> None:
        """Start the wheel at this time."""
        self.next_at = now + self.tick_s
        self._sweeps.clear()

    def place(self, member: T) -> int:
        """Put a member into the slot that has just passed, and return it: its first ping comes within one interval."""
        member.seen = self.serial
        member.slot = self.serial % len(self.slots)
        self.slots[member.slot].add(member)
        return member.slot

    def remove(self, member: T) -> None:
        """Remove a member."""
        self.slots[member.slot].discard(member)

    def turn(self, now: float, ping: Callable[[int], None]) -> list[T]:
        """Ping the slots that are due, and return the members whose pong is overdue."""
        late_s = now - self.due_at()
        if late_s > self.tick_s:  # the loop was blocked, so pongs may lie unread: every member gets that time back
            self._sweeps = deque((when + late_s, serial) for when, serial in self._sweeps)
        while self.next_at <= now:
            self.serial += 1
            self.next_at += self.tick_s
            slot = self.serial % len(self.slots)
            if self.slots[slot]:
                ping(slot)
                self._sweeps.append((now + self.timeout_s, self.serial))
        dead: list[T] = []
        while self._sweeps and self._sweeps[0][0] <= now:
            serial = self._sweeps.popleft()[1]
            dead.extend(member for member in self.slots[serial % len(self.slots)] if member.seen < serial)
        return dead

    def due_at(self) -> float:
        """Return the time at which `turn` must be called next."""
        return min(self.next_at, self._sweeps[0][0]) if self._sweeps else self.next_at


class Deadlines:
    """Calls that are due at a time; checked once per tick."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._order = count()

    def add(self, when: float, call: Callable[[Any], None], argument: Any) -> None:
        """Call `call(argument)` at the first tick after `when`."""
        heapq.heappush(self._heap, (when, next(self._order), call, argument))

    def run(self, now: float) -> None:
        """Make the calls that are due."""
        while self._heap and self._heap[0][0] <= now:
            _, _, call, argument = heapq.heappop(self._heap)
            call(argument)

    def clear(self) -> None:
        """Drop every call."""
        self._heap.clear()
