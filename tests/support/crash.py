"""Run a Plaza program that SIGKILLs itself at a named step, once: crash.py <step> <module>.

The step is counted in a file (CRASH_ONCE), so that the same command started again lives on. The product knows nothing
of the crash: its functions are wrapped here, before its main runs.
"""

import asyncio
import itertools
import os
import runpy
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any

import social.accounts.erasure
import social.feeds.followers
import workers.accounts
import workers.counters
import workers.fanout
import workers.news
import workers.notifications
import workers.runner
from social.infra.broker.inbox import ReceivedEvent
from social.infra.redis.pushing import Pushes
from social.infra.store import store_transaction

STEPS = ("before the commit", "within the commit", "after the commit", "after the push", "after the ack")


FORGETTING = "in the middle of forgetting"
FANNING_OUT = "in the middle of a fan-out"
POISONED = "at each like of a poisonous post"
POISON = "dead" * 6  # the id of that post


def main(step: str, module: str) -> None:
    social.accounts.erasure.SETTLES = timedelta(seconds=2)
    if not Path(os.environ["CRASH_ONCE"]).exists():
        PLANS[(*STEPS, FORGETTING, FANNING_OUT, POISONED).index(step)]()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__")


def die() -> None:
    Path(os.environ["CRASH_ONCE"]).touch()
    os.kill(os.getpid(), signal.SIGKILL)


def wrap(owner: Any, name: str, *, before: bool = False) -> None:
    """Die around one of the product's functions, where it works for a like."""
    work: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def dying(*args: Any, **kwargs: Any) -> Any:
        if before and BUSY.get():
            die()
        result = await work(*args, **kwargs)
        if BUSY.get():
            die()
        return result

    setattr(owner, name, dying)


BUSY: ContextVar[bool] = ContextVar("busy", default=False)  # the notifications consumer works for a like


def watch_handler() -> None:
    """Count only calls of the notifications consumer for a like, not other people's work meanwhile."""
    handle = workers.notifications.handle

    async def watched(plaza: Any, happened: Sequence[ReceivedEvent]) -> float | None:
        token = BUSY.set(any(type(each.event).__name__ == "PostLiked" for each in happened))
        try:
            return await handle(plaza, happened)
        finally:
            BUSY.reset(token)

    workers.notifications.handle = watched


def before_the_commit() -> None:
    watch_handler()
    wrap(workers.notifications, "record")


def within_the_commit() -> None:
    """Die after the first of the transaction's writes, whichever transactions are written together with it."""
    accept = store_transaction.accept

    def dying(command: store_transaction.Command, answer: Any, at: int) -> None:
        accept(command, answer, at)
        if command.collection == "notification_facts":
            die()

    store_transaction.accept = dying


def after_the_commit() -> None:
    watch_handler()
    wrap(workers.news, "push", before=True)


def after_the_push() -> None:
    watch_handler()
    wrap(Pushes, "send")


def after_the_ack() -> None:
    """Die when the handler is done and the message acked: the row of the embedded broker may still be there."""
    work = workers.runner._batch

    async def batch(social_: Any, consumer: Any, taken: Any, **more: Any) -> float:
        likes = consumer.group == "notifications" and any(each.envelope().type == "PostLiked" for each in taken)
        due_s = await work(social_, consumer, taken, **more)
        if likes:
            die()
        return due_s

    workers.runner._batch = batch


def in_the_middle_of_forgetting() -> None:
    """Die after the third piece of a deleted account was erased, before its message is acked."""
    social.accounts.erasure.CHUNK = 1
    work, pieces = workers.accounts.once, itertools.count(1)

    async def dying(*args: Any, **kwargs: Any) -> None:
        await work(*args, **kwargs)
        if next(pieces) == 3:
            die()

    workers.accounts.once = dying


def in_the_middle_of_a_fan_out() -> None:
    """Die after the third chunk was written and the next one requested, before the message is acked."""
    social.feeds.followers.CHUNK = 1
    work, chunks = workers.fanout.go_on, itertools.count(1)

    async def dying(*args: Any, **kwargs: Any) -> None:
        await work(*args, **kwargs)
        if next(chunks) == 3:
            die()

    workers.fanout.go_on = dying


def at_each_like_of_a_poisonous_post() -> None:
    """Die whenever the notifications consumer handles such a like, alone or among others, in each process anew.

    The counters are in the middle of a message in that moment, unless they must wait.
    """
    handle, count = workers.notifications.handle, workers.counters.handle

    async def dying(plaza: Any, happened: Sequence[ReceivedEvent]) -> float | None:
        if any(getattr(each.event, "post_id", None) == POISON for each in happened):
            await asyncio.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        return await handle(plaza, happened)

    async def slow(plaza: Any, happened: Sequence[ReceivedEvent]) -> None:
        await asyncio.sleep(1)
        await count(plaza, happened)

    workers.notifications.handle, workers.counters.handle = dying, slow


PLANS = (
    before_the_commit,
    within_the_commit,
    after_the_commit,
    after_the_push,
    after_the_ack,
    in_the_middle_of_forgetting,
    in_the_middle_of_a_fan_out,
    at_each_like_of_a_poisonous_post,
)

if __name__ == "__main__":
    main(*sys.argv[1:])
