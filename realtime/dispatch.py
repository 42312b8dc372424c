"""Messages from clients: found by name, validated, handled under a deadline, always acked."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from realtime.room_access import RoomAccess
from realtime.settings import GatewaySettings
from realtime.socketio.packets import UNREADABLE
from realtime.sockets import Socket, Sockets
from social.contracts.messages import CLIENT_MESSAGES, Message
from social.contracts.problems import (
    MalformedJson,
    NotFound,
    Problem,
    RateLimited,
    Unavailable,
    unexpected,
    wrong_fields,
)
from social.infra import clock
from social.infra.observe import logs, metrics, tracing
from social.infra.process import even_times
from social.infra.process.admission import Admission, Priority
from social.infra.process.plaza import IdempotencyKey, Plaza
from social.infra.redis.limits import Limiter
from social.infra.security.tokens import Verifier
from social.infra.settings import StartError

log = logs.get("events")

MOST_REFUSED = 200  # a refusal costs as much as a message, and a client that goes on does not read them
ESSENTIAL = frozenset(("sync", "session.renew", "notifications.read", "post.unwatch", "presence.unwatch"))
FORGIVEN = 5  # refusals, by each message within the rate


@dataclass(frozen=True, slots=True)
class EventContext:
    """The collaborators of event handlers."""

    plaza: Plaza
    verifier: Verifier
    room_access: RoomAccess
    typing_every_s: float


M = TypeVar("M", bound=Message)
Handler = Callable[[EventContext, Socket, M], Awaitable[Any]]
Ack = dict[str, Any]

HANDLERS: dict[str, Handler[Any]] = {}


def on(event: str) -> Callable[[Handler[M]], Handler[M]]:
    """Register the handler of a message of the catalogue; its return value is the `data` of the ack."""
    assert event in CLIENT_MESSAGES

    def register(handler: Handler[M]) -> Handler[M]:
        HANDLERS[event] = handler
        return handler

    return register


def idempotency_key(socket: Socket, key: str | None) -> IdempotencyKey | None:
    """Return the idempotency key of a message, if it has one; a write over REST with an equal key is the same write."""
    return IdempotencyKey(socket.user_id, key) if key is not None else None


class Dispatcher:
    """Hands the messages of all sockets to their handlers, within the rates of each socket and person."""

    def __init__(
        self,
        context: EventContext,
        sockets: Sockets,
        admission: Admission,
        limiter: Limiter,
        settings: GatewaySettings,
        *,
        abort: Callable[[Socket], None],
    ) -> None:  # fmt: skip
        self._context = context
        self._sockets = sockets
        self._admission = admission
        self._limiter = limiter
        self._rate_user = settings.rate_user
        self._timeout_s = settings.event_timeout_s
        self._abort = abort

    async def received(self, event: str, sid: str, *arguments: Any) -> Ack | None:
        """Handle one message and return its ack; never raises. None: the socket has left."""
        socket = self._sockets.get(sid)
        if socket is None:
            return None
        name = event if event in HANDLERS else "unknown"
        logs.bind_trace(clock.new_id())
        started = time.perf_counter()
        with tracing.request(f"message {name}"):
            answer, outcome = await self._answer(socket, event, arguments, name)
            took_s = time.perf_counter() - started
            log.info("message", message_name=name, outcome=outcome, ms=round(took_s * 1000, 1), user_id=socket.user_id)
        metrics.SOCKET_EVENTS_IN.labels(event=name, outcome=outcome).inc()
        metrics.SOCKET_EVENT_SECONDS.labels(event=name).observe(took_s)
        return answer

    async def _answer(self, socket: Socket, event: str, arguments: tuple[Any, ...], name: str) -> tuple[Ack, str]:
        began = time.perf_counter()
        try:
            self._check_rates(socket)
            if event not in HANDLERS:
                raise NotFound(f"There is no event {event[:50]!r}")
            message = _read(CLIENT_MESSAGES[event], arguments)
            priority = Priority.ESSENTIAL if event in ESSENTIAL else Priority.USUAL
            with self._admission.work(priority, socket.user_id):
                async with asyncio.timeout(self._timeout_s):
                    data = await HANDLERS[event](self._context, socket, message)
        except Exception as error:
            if isinstance(error, NotFound):  # hidden or never there: both take equally long
                await even_times.up_to(even_times.FINE_S, began)
            problem = _problem(error, name)
            return {"ok": False, "problem": problem.body(logs.request_id())}, problem.code
        return {"ok": True, "data": data}, "ok"

    def _check_rates(self, socket: Socket) -> None:
        """Count a message against its socket and, as a request over REST, against its person; raises RateLimited."""
        wait_s = 1
        if socket.bucket.take():
            verdict = self._limiter.take("user", socket.user_id, self._rate_user)
            if verdict.allowed:
                socket.refused = max(0, socket.refused - FORGIVEN)
                return
            metrics.HTTP_RATE_LIMITED.labels(policy="user").inc()
            wait_s = verdict.retry_after_s
        socket.refused += 1
        if socket.refused > MOST_REFUSED:
            log.info("socket aborted: it ignores its rate limit", user_id=socket.user_id)
            self._abort(socket)
        raise RateLimited(retry_after_s=wait_s)


def _read(kind: type[Message], arguments: tuple[Any, ...]) -> Message:
    if arguments and arguments[0] is UNREADABLE:
        raise MalformedJson("It is nested too deeply")
    try:
        return kind.model_validate(arguments[0] if arguments else {})
    except ValidationError as error:
        raise wrong_fields(error) from None


def _problem(error: Exception, event: str) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, TimeoutError | StartError):  # the store refuses us: only a start ends with that
        return Unavailable()
    log.error("message failed", message_name=event, exc_info=error)
    return unexpected()
