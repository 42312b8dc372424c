"""A backup that is made while a crowd writes, restored into an empty system: what is missing is younger than it.

`make soak` (PLAZA_SOAK=1) runs it at full size; `test_restored_clients.py` is about what clients notice.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import require
from support import restores
from support.account import audit, settle
from support.cluster import Cluster
from support.crowd import Crowd, Member, crowd
from support.eventually import eventually
from support.nginx import Nginx
from support.ports import free_ports
from support.processes import ROOT, Program
from support.servers import RabbitServer, RedisServer
from support.writes import Key

from embedded.store import noted_url
from social.infra import clock

pytestmark = pytest.mark.skipif(not os.environ.get("PLAZA_SOAK"), reason="make soak runs it: it takes two minutes")

PEOPLE = 12
WRITES = 400  # acknowledged before the backup, and as many after it
SMALL = {"API_PROCESSES": 2, "REALTIME_PROCESSES": 2, "WORKERS_PROCESSES": 2, "DRAIN_S": 1}


async def written(people: Crowd, more: int) -> None:
    """Wait until so many more writes are acknowledged."""
    wanted = len(people.record.acks) + more

    async def enough() -> None:
        assert len(people.record.acks) >= wanted

    await eventually(enough)


async def test_nothing_older_than_a_backup_under_load_is_missing(tmp_path: Path) -> None:
    for server in (RedisServer, RabbitServer, Nginx):
        require(server)
    (port,), archive, began = free_ports(1), tmp_path / "plaza.tar.gz", clock.now()
    old, new = [Cluster(tmp_path / each, port, **SMALL) for each in ("old", "new")]
    for each in (old, new):
        each.var.mkdir(parents=True)
    await old.start()
    running = old
    try:
        async with crowd(old.url, PEOPLE) as people:
            async with people.busy():
                await written(people, WRITES)
                before = acknowledged(people)
                started = time.perf_counter()
                print(await restores.back_up(old.var, archive))
                print(f"backup under load: {time.perf_counter() - started:.1f} s with the start of the command")
                until = acknowledged(people)
                await written(people, WRITES)
            after = acknowledged(people)
            await old.stop()
            print(await restores.restore(archive, old.var, new.var, began))
            running = new
            await new.start()
            for person in people.people:
                await comes_back(person)
            found = set((await audit(people)).stored)
            during, later = len(until) - len(before), len(after) - len(until)
            print(f"acknowledged: {len(before)} before, {during} during, {later} after the backup")
            print(f"found: {len(found)}; lost with the disk: {len(after - found)}")
            assert before - found == set(), "older than the backup"
            assert found - until == set(), "younger than the backup"
            assert len(after - found) >= WRITES
            await counts_are_right(new)
            await notified_once(people, found)
        async with crowd(new.url, PEOPLE) as others:
            async with others.busy():
                await written(others, WRITES)
            (await settle(others)).flawless()
    finally:
        await running.stop()


def test_a_backup_and_a_restore_can_be_measured() -> None:
    command = [sys.executable, "loadtests/backups.py", "--documents", "10000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for step in ("social backup", "size on disk", "secantus-restore-archive", "start of the store", "social restored"):
        assert step in done.stdout


async def comes_back(person: Member) -> None:
    """Log a person in again, whose client has noticed that its session is over."""

    async def ended() -> None:
        assert person.plaza.state == "ended"

    await eventually(ended)
    await person.plaza.login(person.name, person.password)
    await person.plaza.connect()


def acknowledged(people: Crowd) -> set[Key]:
    """Return the writes that were acknowledged so far."""
    return {key for key, write in people.record.writes.all.items() if write.acknowledged is not None}


async def notified_once(people: Crowd, found: set[Key]) -> None:
    """Wait until each follow, like and comment by another person that was found is in one notification."""
    authors = {post_id: person.id for post_id, person in people.record.posts.items()}
    due: Counter[tuple[str, str, str]] = Counter()
    for key in found:
        recipient = key.about if key.kind == "follow" else authors.get(key.about)
        if recipient is not None and recipient != key.by:
            due[recipient, key.kind, key.about] += 1

    async def all_there() -> None:
        shown: Counter[tuple[str, str, str]] = Counter()
        for person in people.people:
            for each in await person.all("/v1/notifications"):
                shown[person.id, each["type"], each["target"]["id"]] += each["count"]
        assert shown == due

    await eventually(all_there, every_s=1)


async def counts_are_right(cluster: Cluster) -> None:
    """Wait until no event waits, then compare all counts with the documents, as the runbook says.

    The first comparison repairs counts whose events only RabbitMQ had when the backup was made.
    """

    async def ask(*words: str) -> str:
        url = noted_url(cluster.var)
        done = await Program("social", *words, folder=cluster.var.parent, MONGO_URL=url).start().ended(timeout_s=120)
        assert done.code == 0, done
        return done.out

    async def quiet() -> None:
        said = await ask("backlog")
        assert "events in the outbox: 0" in said
        assert "messages parked: 0" in said

    await eventually(quiet, every_s=1)
    for last in (False, True):
        said = await ask("recount", "--all")
        print(said.splitlines()[-1])
        assert "; 0 changed meanwhile" in said, said
        assert not last or "0 mended" in said, said
