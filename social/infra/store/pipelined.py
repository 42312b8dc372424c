"""Commands that are sent to the store together: a single thread, connection and wait for several of them.

The store takes the commands of a connection one after another, so they may be sent before the first is answered. Each
command that is awaited by itself costs this process two changes of threads, and a place in the store's queue. The
driver offers no such thing: what is used of its inside is in this file alone, and its version is pinned.
"""

import asyncio
import contextvars
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pymongo
from bson import CodecOptions
from pymongo import helpers_shared, message
from pymongo.errors import (
    AutoReconnect,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)
from pymongo.read_preferences import ReadPreference

Document = dict[str, Any]

MOST_TOGETHER = 16  # reads in one message: with 64 ids each they fit into the buffers of a connection
AT_ONCE = 4  # messages under way; reads that come meanwhile gather for the next one


def exchange(
    client: Any,
    database: str,
    commands: Sequence[Document],
    codecs: CodecOptions[Any],
    *,
    session: Any = None,
    contexts: Sequence[contextvars.Context] = (),
) -> list[Document]:
    """Send commands to the primary and return all answers in order, also those that say that a command failed.

    Blocks, so a thread runs it. Raises errors of the driver where the connection fails or the server is no primary;
    then none of the answers is known. A command that cannot be encoded raises before anything is sent.
    """
    with client._conn_for_writes(session, "pipeline") as conn:
        for command in commands:
            _complete(client, conn, command, session)
        encoded = [
            message._op_msg(0, command, database, None, codecs, ctx=conn.compression_context) for command in commands
        ]
        heard = _Heard(conn, database, commands, [request_id for request_id, *_ in encoded], contexts)
        heard.started()
        answers: list[Document] = []
        try:
            conn.send_message(b"".join(each for _, each, *_ in encoded), max(size for *_, size in encoded))
            for at, (request_id, *_) in enumerate(encoded):
                (answer,) = conn.receive_message(request_id).unpack_response(codec_options=codecs)
                client._process_response(answer, session)
                heard.answered(at, answer)
                answers.append(answer)
        finally:
            if len(answers) < len(commands):
                heard.lost(len(answers))
                conn.close_conn(None)  # answers that nobody reads would be taken for those of the next commands
        for answer in answers:
            try:
                check(answer, conn.max_wire_version)
            except NotPrimaryError:
                raise  # here, so that the driver looks for the primary
            except OperationFailure:
                pass  # the caller's, who knows the command
        return answers


def check(answer: Document, wire_version: int | None = None) -> None:
    """Raise the driver's error for an answer that says that its command failed."""
    helpers_shared._check_command_response(answer, wire_version)


def _complete(client: Any, conn: Any, command: Document, session: Any) -> None:
    """Add to a command what `Connection.command` of the driver adds: session, cluster time and deadline."""
    conn.add_server_api(command)
    if session is not None:
        session._apply_to(command, False, ReadPreference.PRIMARY, conn)
        session._transaction.set_in_progress()  # only the first command starts it
    conn.send_cluster_time(command, session, client)
    conn.apply_timeout(None if "getMore" in command else command)


class _Heard:
    """The driver's listeners (metrics, traces, tests), told of each command in the context of its caller."""

    def __init__(
        self,
        conn: Any,
        database: str,
        commands: Sequence[Document],
        ids: Sequence[int],
        contexts: Sequence[contextvars.Context],
    ) -> None:
        self._listeners = conn.listeners if conn.listeners and conn.listeners.enabled_for_commands else None
        self._about = conn.address, conn.server_connection_id
        self._database, self._commands, self._ids = database, commands, ids
        self._contexts = contexts
        self._began = time.monotonic()

    def started(self) -> None:
        """Report that the commands are sent."""
        if self._listeners:
            for at, command in enumerate(self._commands):
                about = command, self._database, self._ids[at], *self._about
                if self._contexts:
                    self._contexts[at].run(partial(self._listeners.publish_command_start, *about))
                else:
                    self._listeners.publish_command_start(*about)

    def answered(self, at: int, answer: Document) -> None:
        """Report the answer of a command, which waited for those before it."""
        if self._listeners:
            report = (
                self._listeners.publish_command_success if answer["ok"] else self._listeners.publish_command_failure
            )
            report(*self._of(at, answer), database_name=self._database)

    def lost(self, first: int) -> None:
        """Report that commands were not answered."""
        if self._listeners:
            for at in range(first, len(self._commands)):
                self._listeners.publish_command_failure(*self._of(at, {}), database_name=self._database)

    def _of(self, at: int, answer: Document) -> tuple[Any, ...]:
        took = timedelta(seconds=time.monotonic() - self._began)
        return took, answer, next(iter(self._commands[at])), self._ids[at], *self._about


@dataclass(slots=True)
class _Read:
    """A read that waits, its deadline, the future of its caller, and its caller's context, for the listeners."""

    command: Document
    deadline: float  # by the monotonic clock
    done: "asyncio.Future[Document]"
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


def _fail(read: _Read, error: Exception) -> None:
    if not read.done.done():
        read.done.set_exception(error)


class PipelinedReads:
    """The reads of a process: those of one turn of the event loop, of whatever collections, are sent together."""

    def __init__(self, client: Any, database: str, codecs: CodecOptions[Any], timeout_s: float) -> None:
        self._client, self._database, self._codecs, self._timeout_s = client, database, codecs, timeout_s
        self._waiting: list[_Read] = []
        self._running = 0
        self._scheduled = False
        self._closed = False
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="read")

    def deadline(self) -> float:
        """Return when a read that begins now must be answered, by the monotonic clock."""
        return time.monotonic() + self._timeout_s

    async def read(self, command: Document, deadline: float | None = None) -> Document:
        """Return the answer to a read command, which is sent with the others of this turn; raises the driver's errors.

        A caller that gives up before it is sent takes its command back. A read fails at its deadline, also while it
        waits for its turn.
        """
        if self._closed:
            raise AutoReconnect("the process stops")
        loop = asyncio.get_running_loop()
        read = _Read(command, self.deadline() if deadline is None else deadline, loop.create_future())
        self._waiting.append(read)
        self._schedule(loop)
        expiry = loop.call_later(read.deadline - time.monotonic(), _fail, read, NetworkTimeout("the deadline passed"))
        try:
            answer = await read.done
        finally:
            expiry.cancel()
        check(answer)
        return answer

    def close(self) -> None:
        """Fail the reads that wait, and let the threads end."""
        self._closed = True
        for read in self._waiting:
            _fail(read, AutoReconnect("the process stops"))
        self._waiting = []
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._scheduled and self._running < AT_ONCE:
            self._scheduled = True
            # A turn later: what a gather inside of a gather reads is asked for a turn after the rest.
            nobodys = contextvars.Context()
            loop.call_soon(partial(loop.call_soon, self._send, loop, context=nobodys), context=nobodys)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = False
        wanted = [each for each in self._waiting if not each.done.done()]
        reads, self._waiting = wanted[:MOST_TOGETHER], wanted[MOST_TOGETHER:]
        if reads:
            self._running += 1
            job = loop.run_in_executor(self._threads, self._exchange, reads)
            job.add_done_callback(lambda job: self._ended(loop, reads, job))
        self._schedule(loop)

    def _exchange(self, reads: Sequence[_Read]) -> list[Document | Exception]:
        commands, contexts = [each.command for each in reads], [each.context for each in reads]
        try:
            left_s = max(each.deadline for each in reads) - time.monotonic()
            if left_s <= 0:
                raise NetworkTimeout("the deadline passed")
            with pymongo.timeout(left_s):
                return [*exchange(self._client, self._database, commands, self._codecs, contexts=contexts)]
        except WaitQueueTimeoutError as error:  # as where it passes on the way: a retry would not be in time either
            raise NetworkTimeout("the deadline passed before a connection was free") from error
        except PyMongoError:
            raise
        except Exception as error:  # a command that cannot be encoded, or an answer that cannot be decoded
            if len(reads) == 1:
                return [error]
            return [answer for read in reads for answer in self._exchange([read])]

    def _ended(
        self, loop: asyncio.AbstractEventLoop, reads: Sequence[_Read], job: "asyncio.Future[list[Document | Exception]]"
    ) -> None:
        self._running -= 1
        failure = AutoReconnect("the process stops") if job.cancelled() else job.exception()
        answers = job.result() if failure is None else [failure] * len(reads)
        for read, answer in zip(reads, answers, strict=True):
            if read.done.done():
                continue  # its caller gave up
            if isinstance(answer, BaseException):
                read.done.set_exception(answer)
            else:
                read.done.set_result(answer)
        self._schedule(loop)
