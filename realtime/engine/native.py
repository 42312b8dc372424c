"""socketify's native library and the pump that runs its libuv loop inside ours; OSError where it does not load."""

import asyncio
from itertools import count
from typing import Any

from cffi import FFI
from socketify.native import ffi, lib

from realtime.engine.flushing import FlushRule

__all__ = ["ffi", "forget", "lib", "object_of", "pointer_to", "pump", "remember", "replace", "text"]

_ffi = FFI()
_ffi.cdef("""
    int uv_backend_fd(const void *loop);
    int uv_backend_timeout(const void *loop);
    int uv_loop_alive(const void *loop);
""")


def _open_libuv() -> Any:
    for name in ("libuv.so.1", "libuv.1.dylib"):
        try:
            return _ffi.dlopen(name)
        except OSError as error:
            missing = error
    raise missing


uv = _open_libuv()

# C holds numbers, never Python objects: an unknown number is ignored, so nothing that C keeps too long can dangle.
_remembered: dict[int, Any] = {}
_numbers = count(1)
_UINTPTR, _POINTER = ffi.typeof("uintptr_t"), ffi.typeof("void *")


def remember(thing: object) -> int:
    """Return a number that stands for this object in C, until `forget`."""
    number = next(_numbers)
    _remembered[number] = thing
    return number


def replace(number: int, thing: object) -> None:
    """Let a number stand for another object."""
    _remembered[number] = thing


def forget(number: int) -> None:
    """Let a number stand for nothing any more."""
    _remembered.pop(number, None)


def pointer_to(number: int) -> Any:
    """Return the number as a C pointer."""
    return ffi.cast(_POINTER, number)


def object_of(pointer: Any) -> Any:
    """Return the object that a number from C stands for, or None."""
    return _remembered.get(int(ffi.cast(_UINTPTR, pointer)))


_found = ffi.new("char **")


def text(get: Any, *arguments: Any) -> str | None:
    """Return the string of a library function `size_t get(…, const char **)`; None when it is missing or empty."""
    size = get(*arguments, _found)
    return ffi.unpack(_found[0], size).decode("latin-1") if size else None


class Pump:
    """Runs the process's one libuv loop whenever it has something to do, on the event loop it is attached to."""

    def __init__(self) -> None:
        self._native = lib.socketify_create_loop()
        self._uv = _ffi.cast("void *", int(ffi.cast("uintptr_t", lib.socketify_get_native_loop(self._native))))
        # uWebSockets keeps one loop per thread, made once: it must be ours, before the first app.
        lib.uws_get_loop_with_native(lib.socketify_get_native_loop(self._native))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._users = 0
        self._running = False
        self._touched = False
        self._timer: asyncio.Handle | None = None  # uvloop gives no TimerHandle for a wait that rounds to 0 ms
        self._timer_at = 0.0  # when it is due, by the loop's clock
        self._rule = FlushRule()

    def attach(self) -> None:
        """Run on the current event loop, until as many calls of `detach`."""
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            if not self._loop.is_closed():
                raise RuntimeError("the native loop already runs on another event loop")
            self._loop = None
            self._users = 0
        if self._loop is None:
            self._loop = loop
            self._touched = False
            self._timer = None
            loop.add_reader(uv.uv_backend_fd(self._uv), self._readable)
        self._users += 1
        self.touch()

    def detach(self) -> None:
        """Undo `attach`."""
        self._users -= 1
        if self._users == 0 and self._loop is not None:
            self._loop.remove_reader(uv.uv_backend_fd(self._uv))
            if self._timer is not None:
                self._timer.cancel()
            self._loop = None

    def touch(self) -> None:
        """Schedule a round of libuv, in which it acts; needed after native calls made outside a native callback."""
        if not self._touched and self._loop is not None:
            self._touched = True
            self._loop.call_soon(self._turn)

    def published(self, size: int) -> None:
        """Count a publish of so many bytes, and schedule the round that writes it."""
        self._rule.published(size)
        self.touch()

    def _turn(self) -> None:
        """Run a round of libuv, or wait for more frames; called once in each turn of the loop that was touched."""
        self._touched = False
        if self._rule.waits():
            self.touch()
        else:
            self.run()

    def _readable(self) -> None:
        # A round would write what is being gathered, and reading waits no longer than that would take. What is
        # readable stays so, and the call that is scheduled runs the round.
        if not (self._touched and self._rule.gathering):
            self.run()

    def run(self) -> None:
        """Run one round of libuv without waiting, and set a timer for the next round."""
        if self._running or self._loop is None:
            return  # uv_run must not nest
        self._running = True
        writes = self._rule.begin()
        try:
            lib.socketify_loop_run(self._native, lib.SOCKETIFY_RUN_NOWAIT)
        finally:
            self._running = False
            if writes:
                self._rule.end()
        timeout_ms = uv.uv_backend_timeout(self._uv)
        if timeout_ms > 0:
            self._wake_in(timeout_ms / 1000)
        elif timeout_ms == 0 and uv.uv_loop_alive(self._uv):  # without anything alive it is 0 for ever
            self.touch()

    def _wake_in(self, delay_s: float) -> None:
        assert self._loop is not None
        now = self._loop.time()
        when = now + delay_s
        if self._timer is not None:
            if now < self._timer_at <= when:
                return  # an earlier round sets the timer again anyway
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(when, self._timed), when

    def _timed(self) -> None:
        self._timer = None  # uvloop may call a little early, and then the due time alone would pass for a timer
        self.run()


pump = Pump()
