"""Messages from clients: found by name, validated, worked on under a deadline, always acked."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from realtime.socketio.packets import UNREADABLE
from realtime.sockets import Socket
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
from social.infra.process.admission import Priority
from social.infra.process.plaza import IdempotencyKey
from social.infra.process.settings import StartError

log = logs.get("events")

M = TypeVar("M", bound=Message)
Handler = Callable[[Socket, M], Awaitable[Any]]
Ack = dict[str, Any]

MOST_REFUSED = 200  # a refusal costs as much as a message, and whoever asks on does not read them
ESSENTIAL = frozenset(("sync", "session.renew", "notifications.read", "post.unwatch", "presence.unwatch"))
FORGIVEN = 5  # refusals, by each message within the rate

HANDLERS: dict[str, Handler[Any]] = {}


def on(event: str) -> Callable[[Handler[M]], Handler[M]]:
    """Handle a message of the catalogue; what the handler returns is the `data` of the ack."""
    assert event in CLIENT_MESSAGES

    def register(handler: Handler[M]) -> Handler[M]:
        HANDLERS[event] = handler
        return handler

    return register


def idempotency_key(socket: Socket, key: str | None) -> IdempotencyKey | None:
    """The idempotency key of a message, if it has one: the same write over REST is the same write."""
    return IdempotencyKey(socket.user_id, key) if key is not None else None


async def dispatch(socket: Socket, event: str, arguments: tuple[Any, ...], timeout_s: float) -> Ack:
    """Work on one message; never raises."""
    name = event if event in HANDLERS else "unknown"
    logs.bind_trace(clock.new_id())
    started = time.perf_counter()
    with tracing.request(f"message {name}"):
        answer, outcome = await _answer(socket, event, arguments, name, timeout_s)
        took_s = time.perf_counter() - started
        log.info("message", message_name=name, outcome=outcome, ms=round(took_s * 1000, 1), user_id=socket.user_id)
    metrics.SOCKET_EVENTS_IN.labels(event=name, outcome=outcome).inc()
    metrics.SOCKET_EVENT_SECONDS.labels(event=name).observe(took_s)
    return answer


async def _answer(
    socket: Socket, event: str, arguments: tuple[Any, ...], name: str, timeout_s: float
) -> tuple[Ack, str]:
    began = time.perf_counter()
    try:
        _admit(socket)
        if event not in HANDLERS:
            raise NotFound(f"There is no event {event[:50]!r}")
        message = _read(CLIENT_MESSAGES[event], arguments)
        priority = Priority.ESSENTIAL if event in ESSENTIAL else Priority.USUAL
        with socket.gateway.admission.work(priority, socket.user_id):
            async with asyncio.timeout(timeout_s):
                data = await HANDLERS[event](socket, message)
    except Exception as error:
        if isinstance(error, NotFound):  # whether it is hidden, or was never there
            await even_times.up_to(even_times.FINE_S, began)
        problem = _problem(error, name)
        return {"ok": False, "problem": problem.body(logs.request_id())}, problem.code
    return {"ok": True, "data": data}, "ok"


def _admit(socket: Socket) -> None:
    """Count a message against its socket, and against its person, as a request over REST is; raises RateLimited."""
    wait_s = 1
    if socket.bucket.take():
        gateway = socket.gateway
        verdict = gateway.limiter.take("user", socket.user_id, gateway.settings.rate_user)
        if verdict.allowed:
            socket.refused = max(0, socket.refused - FORGIVEN)
            return
        metrics.RATE_LIMITED.labels(policy="user").inc()
        wait_s = verdict.retry_after_s
    socket.refused += 1
    if socket.refused > MOST_REFUSED:
        log.info("socket cut: it does not heed its rate", user_id=socket.user_id)
        socket.gateway.cut(socket)
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
