"""socketify's native library and the pump that runs its libuv loop inside ours; OSError where it does not load."""

import asyncio
from itertools import count
from typing import Any

from cffi import FFI
from socketify.native import ffi, lib

from realtime.engine.flushing import FlushRule

__all__ = ["call", "ffi", "forget", "lib", "pointer_to", "pump", "remember", "replace", "text"]

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
    """A number C may give back for this object until `forget`."""
    number = next(_numbers)
    _remembered[number] = thing
    return number


def replace(number: int, thing: object) -> None:
    """From now on the number means this object."""
    _remembered[number] = thing


def forget(number: int) -> None:
    """From now on the number means nothing."""
    _remembered.pop(number, None)


def pointer_to(number: int) -> Any:
    """The number in the shape C keeps."""
    return ffi.cast(_POINTER, number)


def call(pointer: Any) -> Any:
    """The object behind a number that C gave back, or None."""
    return _remembered.get(int(ffi.cast(_UINTPTR, pointer)))


_found = ffi.new("char **")


def text(get: Any, *arguments: Any) -> str | None:
    """A string from one of the library's `size_t get(…, const char **)`; None when it is missing or empty."""
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
        """Run on the current event loop, until as many `detach`."""
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
        """The inverse of `attach`."""
        self._users -= 1
        if self._users == 0 and self._loop is not None:
            self._loop.remove_reader(uv.uv_backend_fd(self._uv))
            if self._timer is not None:
                self._timer.cancel()
            self._loop = None

    def touch(self) -> None:
        """To be called after a native call made outside a native callback: libuv acts only when it runs."""
        if not self._touched and self._loop is not None:
            self._touched = True
            self._loop.call_soon(self._turn)

    def published(self, size: int) -> None:
        """To be called after a publish of so many bytes, which is written in a round to come."""
        self._rule.published(size)
        self.touch()

    def _turn(self) -> None:
        """One call in each turn of the loop in which something was done."""
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
        """One round of libuv without waiting, and a timer for its next one."""
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
                return  # an earlier round looks again anyway
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(when, self._timed), when

    def _timed(self) -> None:
        self._timer = None  # uvloop may call a little early, and then the due time alone would pass for a timer
        self.run()


pump = Pump()
