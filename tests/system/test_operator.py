"""The commands with which an operator acts on people."""

import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from support.eventually import eventually
from support.people import Person
from support.processes import Ended, Program
from support.site import Site

from social.infra import clock
from social.infra.settings import StartError
from social.infra.store.mongo import Mongo
from social.ops import backups


async def test_an_operator_reads_reports_suspends_and_lifts(
    ada: Person, bob: Person, site: Site, tmp_path: Path, mongo_url: str, mongo_database: str
) -> None:
    async def plaza(*words: str) -> Ended:
        program = Program("social", *words, folder=tmp_path, MONGO_URL=mongo_url, MONGO_DATABASE=mongo_database)
        return await program.start().ended()

    report = {"target": {"kind": "user", "id": ada.id}, "reason": "spam", "text": "see\nhere"}
    assert (await bob.ask("POST", "/v1/reports", report)).status == 201
    listed = await plaza("reports")
    assert (listed.code, listed.out.count("\n")) == (0, 1)
    assert f'spam  user {ada.id}  of ada, by bob  "see\\nhere"' in listed.out
    assert (await plaza("suspend", "Ada", "--reason", "spam")).code == 0
    (await bob.ask("GET", "/v1/users/ada")).refused(404, "not_found")
    assert (await plaza("suspend", "ada", "--lift")).code == 0
    assert (await bob.profile(ada)).username == "ada"
    unknown = await plaza("suspend", "nobody")
    assert (unknown.code, unknown.err) == (1, "plaza: There is no account 'nobody'\n")


async def test_an_operator_has_counts_compared(
    ada: Person, tmp_path: Path, mongo_url: str, mongo_database: str
) -> None:
    async def plaza(*words: str) -> Ended:
        program = Program("social", *words, folder=tmp_path, MONGO_URL=mongo_url, MONGO_DATABASE=mongo_database)
        return await program.start().ended()

    post = await ada.publish("hello")

    async def counted() -> None:
        assert (await ada.me()).posts == 1

    await eventually(counted)
    for which in ((post.id, ada.id, "0" * 24), ("--all",)):
        done = await plaza("recount", *which)
        assert (done.code, done.err) == (0, "")
        assert f"posts: up to {post.id}, 1 compared in all" in done.out
        assert "0 mended; 0 changed meanwhile" in done.out
    for words in ((), ("--all", post.id)):
        refused = await plaza("recount", *words)
        assert refused.code == 1
        assert refused.err == "plaza: `recount` needs the ids of posts, comments or people, or --all\n"


async def test_an_operator_sees_what_waits(
    site: Site, ada: Person, tmp_path: Path, mongo_url: str, mongo_database: str
) -> None:
    async def backlog() -> list[str]:
        program = Program("social", "backlog", folder=tmp_path, MONGO_URL=mongo_url, MONGO_DATABASE=mongo_database)
        done = await program.start().ended()
        assert (done.code, done.err) == (0, "")
        return done.out.splitlines()

    kinds = ("events in the outbox", "notifications due", "messages parked", "deletions to be finished")
    await eventually(lambda: nothing_waits(site))
    assert await backlog() == [f"{kind}: 0" for kind in kinds]
    long_ago = clock.now() - timedelta(minutes=5)
    await site.plaza.mongo.insert("parked", {"_id": "x", "at": long_ago})
    await site.plaza.mongo.insert("parked", {"_id": "y", "at": clock.now()})
    parked = (await backlog())[2]
    assert parked.startswith("messages parked: 2, the first for 30")


async def test_an_operator_never_overwrites_an_archive(
    site: Site, tmp_path: Path, mongo_url: str, mongo_database: str
) -> None:
    async def backup(path: Path, url: str = mongo_url) -> Ended:
        program = Program("social", "backup", str(path), folder=tmp_path, MONGO_URL=url, MONGO_DATABASE=mongo_database)
        return await program.start().ended()

    archive = tmp_path / "plaza.tar.gz"
    archive.write_text("of yesterday")
    again = await backup(archive)
    assert (again.code, again.err) == (1, f"plaza: {archive} is there already\n")
    assert archive.read_text() == "of yesterday"
    nowhere = await backup(Path("/proc/plaza.tar.gz"))
    assert nowhere.code == 1
    assert nowhere.err.startswith("plaza: ")
    assert "Traceback" not in nowhere.err


async def test_an_archive_that_the_store_wrote_elsewhere_is_no_backup(tmp_path: Path) -> None:
    class Elsewhere:
        async def command(self, _: object) -> dict[str, int]:
            return {"sizeBytes": 1_000}

    mongo = cast("Mongo", SimpleNamespace(database=SimpleNamespace(client=SimpleNamespace(admin=Elsewhere()))))
    with pytest.raises(StartError, match="elsewhere"):
        await backups.archive(mongo, tmp_path / "plaza.tar.gz")
    assert list(tmp_path.iterdir()) == []


async def test_a_command_on_a_folder_without_documents_is_refused_and_makes_none(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "social", "backlog")
    program = Program("embedded.store_alone", *command, folder=tmp_path, PLAZA_VAR=str(tmp_path / "typo"))
    done = await program.start().ended()
    assert (done.code, done.err) == (1, f"plaza: {tmp_path / 'typo'} holds no documents: is PLAZA_VAR right?\n")
    assert not (tmp_path / "typo").exists()


async def test_after_the_loss_of_the_broker_alone_sessions_and_streams_go_on(
    site: Site, ada: Person, bob: Person, tmp_path: Path, mongo_url: str, mongo_database: str
) -> None:
    async def restored(*words: str) -> list[str]:
        since = (clock.now() - timedelta(hours=1)).isoformat()
        program = Program(
            "social", "restored", since, *words, folder=tmp_path, MONGO_URL=mongo_url, MONGO_DATABASE=mongo_database
        )
        done = await program.start().ended()
        assert (done.code, done.err) == (0, "")
        return done.out.splitlines()

    await bob.follow(ada)
    before = await ada.inbox()
    assert (await restored("--broker-only"))[0].startswith("home timelines")
    assert (await ada.sync(before.offset)).recovered
    assert (await ada.refresh()).status == 200
    assert [line.split(":")[0] for line in (await restored())[:3]] == ["streams", "sessions", "access tokens"]
    assert not (await ada.sync(before.offset)).recovered
    (await bob.refresh()).refused(401, "invalid_refresh_token")


async def nothing_waits(site: Site) -> None:
    assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0
