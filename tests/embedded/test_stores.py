"""Both programs of the embedded store: chosen by a setting, durable when killed, and with files that both read."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.disks import small_disk
from support.eventually import eventually
from support.people import door_to, texts
from support.processes import Program
from support.stores import needs_rust

from devtools.cluster.settings import ClusterSettings, DocumentSettings
from embedded import store as store_module
from embedded import store_programs
from embedded.store import Store, noted_url
from embedded.store_check import frees_unique_values
from embedded.store_programs import RUST
from social.contracts.problems import Unavailable
from social.infra.settings import StartError, load
from social.infra.store.mongo import Mongo, Transaction

BOTH = ["py", pytest.param("rs", marks=needs_rust)]
WRITERS = 6


@pytest.fixture(params=BOTH)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Each program in turn, which the test may kill."""
    started = Store(tmp_path, request.param)
    await started.start()
    yield started
    started.stop()


async def test_make_run_keeps_its_data_in_the_program_of_the_setting(machine: Any, program: str) -> None:
    running = await machine.running(EMBEDDED_STORE=program)
    (child,) = [each for each in running.children() if "secantusd" in " ".join(each.cmdline())]
    assert (RUST in " ".join(child.cmdline())) == (program == "rs")
    async with door_to(machine.url) as door:
        ada = await door.register("ada")
        await ada.publish("before")
        await running.kill()
        await machine.running(EMBEDDED_STORE=program)
        assert texts(await ada.feed()) == ["before"]


@pytest.fixture(params=BOTH)
def program(request: pytest.FixtureRequest) -> str:
    """The name of each program."""
    return str(request.param)


@pytest.fixture
async def mongo(store: Store) -> AsyncIterator[Mongo]:
    """A connection to the store."""
    connection = Mongo(store.url, "plaza", timeout_s=5)
    yield connection
    connection.close()


async def test_what_was_acknowledged_before_it_was_killed_is_there(store: Store, mongo: Mongo) -> None:
    """Several clients write transactions, which are never half there, and single documents."""
    kept: set[str] = set()
    for name in ("interactions", "outbox", "leases"):
        await mongo.insert(name, {"_id": "made"})

    async def write(writer: int) -> None:
        number = 0
        while True:
            number += 1
            row = {"_id": f"{writer} {number}"}

            async def like(tx: Transaction, row: dict[str, Any] = row) -> None:
                tx.insert("interactions", row)
                tx.insert("outbox", row)

            try:
                await mongo.transact(like)
                await mongo.insert("leases", row)
            except Unavailable:
                if not store.alive():
                    return
            else:
                kept.add(row["_id"])

    for _ in range(2):
        writers = [asyncio.create_task(write(number)) for number in range(WRITERS)]
        async with asyncio.timeout(120):
            while len(kept) < 5 * WRITERS and not any(each.done() for each in writers):
                await asyncio.sleep(0.01)
        assert store.pid is not None
        os.kill(store.pid, signal.SIGKILL)
        await asyncio.gather(*writers)
        assert not store.alive()
        await store.revive()
        found = {
            name: {row["_id"] for row in await mongo.many(name, {})} for name in ("interactions", "outbox", "leases")
        }
        assert found["interactions"] == found["outbox"]
        assert kept <= found["interactions"]
        assert kept <= found["leases"]
        for name in found:
            await mongo.delete(name, {"_id": {"$ne": "made"}})
        kept.clear()


@needs_rust
@pytest.mark.parametrize(("first", "second"), [("py", "rs"), ("rs", "py")])
async def test_one_goes_on_with_the_files_of_the_other(tmp_path: Path, first: str, second: str) -> None:
    for program in (first, second):
        store = Store(tmp_path, program)
        mongo = Mongo(await store.start(), "plaza")
        try:
            assert noted_url(tmp_path) == store.url
            if program == first:
                await mongo.insert("interactions", {"_id": "1", "at": 2})
            assert await mongo.many("interactions", {}) == [{"_id": "1", "at": 2}]
        finally:
            store.stop()
            mongo.close()


async def test_a_store_that_refuses_values_that_are_free_again_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    try:
        assert await frees_unique_values(await store.start())
    finally:
        store.stop()

    async def wrong(url: str) -> bool:
        return False

    monkeypatch.setattr(store_module, "frees_unique_values", wrong)
    monkeypatch.setitem(store_programs.PROGRAMS, "rs", store_programs.PROGRAMS["py"])
    warned: list[str] = []
    monkeypatch.setattr(store_module.log, "warning", lambda words, **_: warned.append(words))
    store = Store(tmp_path, "rs")
    try:
        await store.start()
    finally:
        store.stop()
    assert "use it for measurements alone" in " ".join(warned)


def of_environment(monkeypatch: pytest.MonkeyPatch, **said: str) -> DocumentSettings:
    """Return the settings of an environment with these variables about stores."""
    for name in ("STORE", "MONGO_URL", "MONGO_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    return load(ClusterSettings, "nowhere")


def test_a_cluster_runs_on_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "mongodb://127.0.0.1:1/"
    usual = of_environment(monkeypatch)
    assert (usual.embedded_store, usual.store_url) == ("py", None)
    named = of_environment(monkeypatch, STORE="py")
    assert (named.embedded_store, named.store_url) == ("py", None)
    assert of_environment(monkeypatch, STORE=url).store_url == url
    assert of_environment(monkeypatch, MONGO_URL=url).store_url == url


def test_a_store_that_cannot_be_is_named_with_what_can(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"STORE is wrong: .* neither py nor rs nor a mongodb:// URL"):
        of_environment(monkeypatch, STORE="mongod")
    with pytest.raises(StartError, match=r"MONGO_URL is wrong: .*STORE names a document store as well"):
        of_environment(monkeypatch, STORE="py", MONGO_URL="mongodb://127.0.0.1:1/")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match=f"STORE is wrong: .*{RUST} is not on the PATH"):
        of_environment(monkeypatch, STORE="rs")


@pytest.mark.parametrize(("value", "why"), [("mongod", "'py' or 'rs'"), ("rs", f"{RUST} is not on the PATH")])
async def test_make_run_does_not_start_on_a_store_that_cannot_be(tmp_path: Path, value: str, why: str) -> None:
    settings = {"PLAZA_VAR": tmp_path / "var", "EMBEDDED_STORE": value, "PATH": str(tmp_path)}
    ended = await Program("embedded", folder=tmp_path, **settings).start().ended()
    assert ended.code == 1
    assert "EMBEDDED_STORE is wrong" in ended.err
    assert why in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_a_store_that_dies_again_and_again_is_started_each_time(
    store: Store, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.store.WATCH_EVERY_S", 0.05)
    keeping = asyncio.create_task(store.keep())
    await mongo.insert("likes", {"_id": "kept"})
    for _ in range(4):
        killed = store.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)

        async def there() -> None:
            try:
                assert await mongo.many("likes", {}) == [{"_id": "kept"}]
            except Unavailable as error:
                raise AssertionError from error

        async with asyncio.timeout(60):
            while store.pid == killed:
                await asyncio.sleep(0.01)
        await eventually(there)
    assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_a_full_disk_is_unavailable_and_what_was_acknowledged_outlives_it(tmp_path: Path) -> None:
    """The store may die of a full disk: it is started again and again until there is room."""
    with small_disk(tmp_path / "disk", 48) as disk:
        store = Store(disk)
        mongo = Mongo(await store.start(), "plaza", timeout_s=2)
        keeping = [asyncio.create_task(store.keep()), asyncio.create_task(store.watch())]
        kept: list[str] = []

        async def write(size: int) -> None:
            row = {"_id": str(len(kept)), "text": "x" * size}
            await mongo.transact(lambda tx: _insert(tx, row))
            kept.append(row["_id"])

        try:
            await write(10)
            free = shutil.disk_usage(disk).free
            filler = disk / "filler"
            filler.write_bytes(b"\0" * max(0, free - 256 * 1024))
            refused = 0
            for _ in range(100):
                try:
                    await write(100_000)
                except Unavailable:
                    refused += 1
                if refused == 2:
                    break
            assert refused == 2
            filler.unlink()

            async def goes_on() -> None:
                try:
                    await write(10)
                except Unavailable as error:
                    raise AssertionError from error

            await eventually(goes_on)
            found = {row["_id"] for row in await mongo.many("likes", {}, fields={"_id": 1})}
            assert set(kept) <= found
            assert not any(each.done() for each in keeping)
        finally:
            for each in keeping:
                each.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
            mongo.close()
            store.stop()


async def _insert(tx: Transaction, row: dict[str, Any]) -> None:
    tx.insert("likes", row)
