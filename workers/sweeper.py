"""The sweeper: periodic jobs that no event triggers; each has a lease, and the workers share them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from social.accounts import session_ends
from social.contracts.problems import Unavailable
from social.feeds import timelines
from social.infra.files.blobs import Blobs
from social.infra.observe import logs, metrics
from social.infra.process.plaza import Plaza
from social.infra.store.leases import Lease, work_in_parts
from social.ops import recount
from social.posts import media_sweep, orphans
from social.posts.media_sweep import STRAYS_EVERY_S

log = logs.get("sweeper")

LEASE = timedelta(seconds=10)
JOB_S = 8.0  # for a run of a job: shorter than the lease, which is renewed before it
LOOK_EVERY_S = 1.0


@dataclass
class Job:
    """A periodic job: `work` repairs a bounded number of things, idempotently, and returns their number.

    The job runs every `every_s` seconds, and at each check as long as it finds something.
    """

    name: str
    work: Callable[[Plaza], Awaitable[int]]
    every_s: float
    due: float = field(default=0.0, init=False)


def jobs(blobs: Blobs) -> list[Job]:
    """Return all jobs; each runs in the process that holds its lease."""
    return [
        Job("orphans", orphans.sweep, every_s=5),
        Job("sessions", lambda plaza: session_ends.sweep(plaza.mongo), every_s=5),
        Job("timelines", timelines.drop_some, every_s=600),
        Job("recount", recount.Sampler().sweep, every_s=60),
        Job("media", lambda plaza: media_sweep.sweep(plaza.mongo, blobs), every_s=5),
        Job(
            "stray blobs",
            lambda plaza: media_sweep.sweep_strays(plaza.mongo, blobs),
            every_s=STRAYS_EVERY_S,
        ),
    ]


async def run(plaza: Plaza, blobs: Blobs) -> None:
    """Run the due jobs whose leases this process holds, each second, as long as it lives."""
    todo = jobs(blobs)
    leases = [Lease(plaza.mongo, f"sweeper {job.name}" if part else "sweeper", LEASE) for part, job in enumerate(todo)]

    async def sweep_held(held: Mapping[int, Lease]) -> None:
        for part, lease in held.items():
            await sweep(plaza, lease, [todo[part]])

    await work_in_parts(plaza.members, "sweeper", leases, sweep_held, every_s=LOOK_EVERY_S)


async def sweep(plaza: Plaza, lease: Lease, todo: Sequence[Job]) -> None:
    """Run the jobs that are due; a failure is logged, and the job runs again when it is due next."""
    for job in todo:
        if job.due > time.monotonic():
            continue
        try:
            if not await lease.take():
                return
        except Unavailable as error:
            log.warning("waiting", error=repr(error))
            return
        await _do(plaza, job)


async def _do(plaza: Plaza, job: Job) -> None:
    started, repaired, outcome = time.monotonic(), 0, "done"
    try:
        async with asyncio.timeout(JOB_S):
            repaired = await job.work(plaza)
    except Unavailable as error:
        outcome = "failed"
        log.warning("waiting", job=job.name, error=repr(error))
    except Exception:
        outcome = "failed"
        log.exception("job failed", job=job.name)
    job.due = time.monotonic() + (0 if repaired else job.every_s)
    metrics.SWEEP_RUNS.labels(sweep=job.name, outcome=outcome).inc()
    metrics.SWEEP_ITEMS.labels(sweep=job.name).inc(repaired)
    metrics.SWEEP_SECONDS.labels(sweep=job.name).observe(time.monotonic() - started)
