"""The sweeper: its jobs, each by itself, and the documents they delete."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from support.eventually import eventually
from support.people import Person
from support.site import Site

from social.infra import clock
from social.infra.process.plaza import Plaza
from social.posts import orphans
from workers import sweeper
from workers.sweeper import Job

pytestmark = pytest.mark.parametrize("broker", ["local"])


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_job_that_fails_or_hangs_does_not_stop_the_others(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "JOB_S", 0.1)
    ran: list[str] = []

    async def fails(_: Plaza) -> int:
        ran.append("fails")
        raise RuntimeError("no")

    async def hangs(_: Plaza) -> int:
        ran.append("hangs")
        await asyncio.Event().wait()
        return 0

    async def works(_: Plaza) -> int:
        ran.append("works")
        return 3

    before = counted("plaza_sweep_items_total", sweep="works")
    todo = [Job("fails", fails, 60), Job("hangs", hangs, 60), Job("works", works, 60)]
    lease = sweeper.Lease(site.plaza.mongo, "sweeper of this test", sweeper.LEASE)
    for _ in range(2):
        await sweeper.sweep(site.plaza, lease, todo)
    assert ran == ["fails", "hangs", "works", "works"], "what found something looks again, the others wait"
    assert counted("plaza_sweep_items_total", sweep="works") - before == 6
    assert counted("plaza_sweep_runs_total", sweep="fails", outcome="failed") == 1
    assert counted("plaza_sweep_runs_total", sweep="hangs", outcome="failed") == 1


async def test_a_process_without_the_lease_does_nothing(site: Site) -> None:
    mine, theirs = [sweeper.Lease(site.plaza.mongo, "sweeper of this test", sweeper.LEASE) for _ in range(2)]
    ran: list[None] = []

    async def works(_: Plaza) -> int:
        ran.append(None)
        return 1

    assert await theirs.take()
    await sweeper.sweep(site.plaza, mine, [Job("works", works, 0)])
    assert ran == []
    await theirs.give_up()
    await sweeper.sweep(site.plaza, mine, [Job("works", works, 0)])
    assert ran == [None]


@pytest.mark.usefixtures("quick_sweeps")
async def test_what_is_under_a_deleted_post_goes_piece_by_piece(
    site: Site, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "CHUNK", 2)
    mongo = site.plaza.mongo
    post, other = await ada.publish("hello"), await ada.publish("stays")
    for n in range(3):
        await bob.comment(post, f"so {n}")
    for each in (post, other):
        await bob.like(each)
    await bob.comment(other, "well")
    await ada.delete(post)
    assert await orphans.sweep(site.plaza) == 0, "a write may still be under way"
    late = {"_id": post.id + ada.id, "post_id": post.id, "user_id": ada.id, "like_id": clock.new_id()}
    await mongo.insert("interactions", late)  # by a transaction that had not seen the deletion
    monkeypatch.setattr(orphans, "SETTLES", timedelta(seconds=-1))

    async def gone() -> None:
        for collection in ("comments", "interactions"):
            left = await mongo.many(collection, {}, fields={"post_id": 1})
            assert [each["post_id"] for each in left] == [other.id]
        assert await mongo.many("deletions", {}) == []

    await eventually(gone)
