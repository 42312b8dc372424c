"""Pushes to sockets: hints as they come, stream events in the order of their seq, gaps filled from the stream."""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Iterator
from typing import Protocol

from realtime.background import Background
from realtime.sockets import MOST_PENDING, Socket, Sockets
from social.contracts.problems import Unavailable
from social.contracts.pushes import Push, offset
from social.infra.observe import logs, metrics, tracing
from social.infra.store.mongo import Mongo
from social.notifications import replay, streams

log = logs.get("delivery")

CHUNK = 500  # positions in one read of the store
READERS = 16  # streams read at once
RETRY_S = 0.5
POLL_S = 0.02  # between two checks whether a slow client took some of what it missed

# Looked up by their label once: it takes longer than to count.
_STREAM_EVENTS, _HINTS = (metrics.SOCKET_FRAMES_SENT.labels(kind=kind) for kind in ("stream", "hint"))
_STREAM_SECONDS, _HINT_SECONDS = (metrics.PUSH_SECONDS.labels(kind=kind) for kind in ("stream", "hint"))


class Writer(Protocol):
    """The part of the server that writes frames."""

    def send_frame(self, sid: str, frame: bytes) -> bool: ...

    def publish_frame(self, room: str, frame: bytes, skip: Collection[str] = ()) -> None: ...

    def buffered(self, sid: str) -> int: ...

    def count(self, room: str) -> int: ...


class Delivery:
    """Writes the pushes of a room's channel to the sockets that may see them."""

    def __init__(
        self,
        mongo: Mongo,
        sockets: Sockets,
        server: Writer,
        background: Background,
        *,
        abort: Callable[[Socket], None],
        most_unread: int,
    ) -> None:
        self._mongo = mongo
        self._sockets = sockets
        self._server = server
        self._background = background
        self._abort = abort
        self._most_unread = most_unread  # bytes of missed events that are written before the client has read them
        self._readers = asyncio.Semaphore(READERS)

    def pushed(self, room: str, data: bytes) -> None:
        """Write a push from Redis to its sockets; raises ValueError for a malformed push."""
        push = Push.parse(data)
        kind, _, name = room.partition(":")
        logs.bind_trace(push.trace)
        try:
            with tracing.part(f"push to {kind}", "consumer"):
                if push.kind == "S":
                    sent = sum([self.stream(socket, push) for socket in self._sockets.of_user(name)])
                else:
                    sent = self._hint(room, kind, name, push)
            _log_pushed(room, push, sent)
        finally:
            logs.bind_trace(None)

    def stream(self, socket: Socket, push: Push) -> bool:
        """Write the next stream event, drop an old event, read the gap before a later event; return if it wrote."""
        if socket.pending is not None:
            if len(socket.pending) >= MOST_PENDING:
                socket.pending.pop()  # the newest stays: it shows the gap, which is then read
            socket.pending.append(push)
        elif push.epoch == socket.epoch and push.seq <= socket.last:
            return False
        elif push.epoch == socket.epoch and push.seq == socket.last + 1:
            self._send(socket, push.seq, push.frame, push.at_ms)
            return True
        else:
            self.mark_stale(socket, "gap", push)
        return False

    def _hint(self, room: str, kind: str, name: str, push: Push) -> int:
        if kind == "user":
            here = [each for each in self._sockets.of_user(name) if each.connected and not each.hides(push.author)]
            for socket in here:
                self._server.send_frame(socket.sid, push.frame)
            sent = len(here)
        else:
            skip = [each.sid for each in self._sockets.hiding(push.author) if room in each.rooms]
            if push.answers:
                others = self._sockets.hiding(push.answers)
                skip += [each.sid for each in others if room in each.rooms and not each.hides(push.author)]
            self._server.publish_frame(room, push.frame, skip=skip)
            sent = self._server.count(room) - len(skip)
        _HINTS.inc(sent)
        _HINT_SECONDS.observe(_age_s(push.at_ms))
        return sent

    def _send(self, socket: Socket, seq: int, frame: bytes, at_ms: int = 0) -> None:
        self._server.send_frame(socket.sid, frame)
        socket.last = seq
        _STREAM_EVENTS.inc()
        if at_ms:
            _STREAM_SECONDS.observe(_age_s(at_ms))

    def begin(self, socket: Socket, missed: replay.Replay | None, position: streams.Position) -> None:
        """Write, right after CONNECT, what was missed, then pending pushes; a slow client gets the rest later."""
        socket.reading = True
        frames = iter(missed.frames() if missed is not None else ())
        if self._write_missed(socket, frames):
            self._go_live(socket, position)
        else:
            self._background.spawn("write missed", self._write_rest(socket, frames, position))

    def _write_missed(self, socket: Socket, frames: Iterator[tuple[int, bytes]]) -> bool:
        """Write missed events; return False once enough is unread: a whole window may exceed what a socket may hold."""
        for seq, frame in frames:
            self._send(socket, seq, frame)
            if self._server.buffered(socket.sid) >= self._most_unread:
                return False
        return True

    async def _write_rest(
        self, socket: Socket, frames: Iterator[tuple[int, bytes]], position: streams.Position
    ) -> None:
        while not socket.ended:
            if self._server.buffered(socket.sid) < self._most_unread and self._write_missed(socket, frames):
                self._go_live(socket, position)
                return
            await asyncio.sleep(POLL_S)

    def _go_live(self, socket: Socket, position: streams.Position) -> None:
        socket.reading = False
        socket.epoch, socket.last = position
        self._flush(socket)
        if socket.rerun:
            socket.rerun = False
            self.mark_stale(socket, "again")

    def mark_stale(self, socket: Socket, by: str, push: Push | None = None) -> None:
        """Read from the stream what a socket misses, while its pushes wait."""
        if socket.pending is None:
            socket.pending = []
        if push is not None:
            socket.pending.append(push)
        if socket.reading:
            socket.rerun = True  # what is being read may be older than what was missed
        elif socket.connected:
            metrics.STALE_POSITIONS.labels(found_by=by).inc()
            socket.reading = True
            self._background.spawn("catch up", self._catch_up(socket))

    def _flush(self, socket: Socket) -> None:
        pending, socket.pending = socket.pending or [], None
        for at, push in enumerate(pending):
            if self.stream(socket, push):
                with logs.working_for(push.trace):
                    _log_pushed(f"user:{socket.user_id}", push, 1)
            if socket.pending is not None:  # a gap: the rest waits for the stream
                socket.pending += pending[at + 1 :]
                return

    async def _catch_up(self, socket: Socket) -> None:
        while not socket.ended:
            try:
                async with self._readers:
                    missed = await replay.since(self._mongo, socket.user_id, offset(socket.epoch, socket.last))
                break
            except Unavailable:
                await asyncio.sleep(RETRY_S * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        if socket.ended:
            return
        if not missed.recovered:  # too far behind, or another epoch: the client reconnects and fetches everything again
            log.warning("socket out of its window", user_id=socket.user_id)
            self._abort(socket)
            return
        self.begin(socket, missed, missed.position)

    async def reread(self, by: str, patience_s: float = 0) -> None:
        """Compare all sockets' positions with their streams, and read what they miss; raises Unavailable.

        Sockets are given `patience_s`, in which pushes that are on their way may still arrive.
        """
        users = self._sockets.users()
        for start in range(0, len(users), CHUNK):
            found = await streams.positions(self._mongo, users[start : start + CHUNK])
            if patience_s and any(self._lagging(user_id, position) for user_id, position in found.items()):
                await asyncio.sleep(patience_s)
            for user_id, position in found.items():
                for socket in self._lagging(user_id, position):
                    self.mark_stale(socket, by)

    def _lagging(self, user_id: str, position: streams.Position) -> list[Socket]:
        return [
            socket
            for socket in self._sockets.of_user(user_id)
            if socket.connected
            and socket.pending is None
            and (socket.epoch != position.epoch or socket.last < position.seq)
        ]

    async def reread_until_done(self, by: str) -> None:
        """Run `reread` until the store answers."""
        while True:
            try:
                return await self.reread(by)
            except Unavailable:
                await asyncio.sleep(RETRY_S)


def _log_pushed(room: str, push: Push, sockets: int) -> None:
    """Log a push that was written, and no push that no socket here may see, has seen before, or has to wait for."""
    if sockets:
        log.debug("pushed", room=room, kind=push.kind, seq=push.seq, sockets=sockets)


def _age_s(at_ms: int) -> float:
    return max(0.0, time.time() - at_ms / 1000)
