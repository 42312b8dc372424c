"""Run a Plaza program that SIGKILLs itself at a named step, once: crash.py <step> <module>.

The step is counted in a file (CRASH_ONCE), so that the same command started again lives on. The product knows nothing
of this: its functions are wrapped here, before its main runs.
"""

import itertools
import os
import runpy
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import social.feeds.followers
import social.forgetting
import social.infra.inbox
import social.streams
import workers.accounts
import workers.app
import workers.fanout
import workers.notifications
import workers.runner
from social.infra.group_commit import GroupCommit
from social.infra.inbox import Happened
from social.infra.pushing import Pushes

STEPS = ("before the commit", "after the commit", "after the append", "after the push", "after the ack")


FORGETTING = "in the middle of forgetting"
FANNING_OUT = "in the middle of a fan-out"


def main(step: str, module: str) -> None:
    social.forgetting.SETTLES = timedelta(seconds=2)
    if not Path(os.environ["CRASH_ONCE"]).exists():
        PLANS[(*STEPS, FORGETTING, FANNING_OUT).index(step)]()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__")


def die() -> None:
    Path(os.environ["CRASH_ONCE"]).touch()
    os.kill(os.getpid(), signal.SIGKILL)


def wrap(owner: Any, name: str) -> None:
    """Die after one of the product's functions, where it works for a like."""
    work: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def dying(*args: Any, **kwargs: Any) -> Any:
        result = await work(*args, **kwargs)
        if STATE["busy"]:
            die()
        return result

    setattr(owner, name, dying)


STATE = {"busy": False}


def watch_handler() -> None:
    """Only what the notifications consumer does for a like counts, not what other people's work does meanwhile."""
    consumer = workers.app.CONSUMERS["notifications"]

    async def handle(social: Any, happened: list[Happened]) -> None:
        STATE["busy"] = any(type(each.event).__name__ == "PostLiked" for each in happened)
        try:
            await consumer.handle(social, happened)
        finally:
            STATE["busy"] = False

    workers.app.CONSUMERS["notifications"] = workers.runner.Consumer(consumer.group, handle)


def before_the_commit() -> None:
    """Everything is written, in a transaction that will never be committed."""
    watch_handler()
    write = GroupCommit._in

    async def dying(commits: Any, session: Any, group: Any) -> None:
        if STATE["busy"]:
            session.commit_transaction = die
        await write(commits, session, group)

    GroupCommit._in = dying


def after_the_commit() -> None:
    watch_handler()
    wrap(workers.notifications, "once")


def after_the_append() -> None:
    watch_handler()
    wrap(social.streams, "append")


def after_the_push() -> None:
    watch_handler()
    wrap(Pushes, "send")


def after_the_ack() -> None:
    """The handler is done, the message acked: the row of the embedded broker may still be there."""
    work = workers.runner._batch

    async def batch(social_: Any, consumer: Any, taken: Any) -> None:
        likes = consumer.group == "notifications" and any(each.envelope().type == "PostLiked" for each in taken)
        await work(social_, consumer, taken)
        if likes:
            die()

    workers.runner._batch = batch


def in_the_middle_of_forgetting() -> None:
    """After the third piece of a deleted account was taken out, before its message is acked."""
    social.forgetting.CHUNK = 1
    work, pieces = workers.accounts.once, itertools.count(1)

    async def dying(*args: Any, **kwargs: Any) -> None:
        await work(*args, **kwargs)
        if next(pieces) == 3:
            die()

    workers.accounts.once = dying


def in_the_middle_of_a_fan_out() -> None:
    """After the third chunk was written, and the next one asked for, before the message is acked."""
    social.feeds.followers.CHUNK = 1
    work, chunks = workers.fanout.go_on, itertools.count(1)

    async def dying(*args: Any, **kwargs: Any) -> None:
        await work(*args, **kwargs)
        if next(chunks) == 3:
            die()

    workers.fanout.go_on = dying


PLANS = (
    before_the_commit,
    after_the_commit,
    after_the_append,
    after_the_push,
    after_the_ack,
    in_the_middle_of_forgetting,
    in_the_middle_of_a_fan_out,
)

if __name__ == "__main__":
    main(*sys.argv[1:])
