"""`make cluster`: production's processes on this machine, replaced and killed while a crowd is busy."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from conftest import require, run
from support.account import settle
from support.browser import Page, page
from support.cluster import Cluster
from support.crowd import Member, crowd
from support.eventually import eventually
from support.nginx import Nginx
from support.ports import free_ports
from support.processes import Program, gone
from support.servers import ImpatientStore, RabbitServer, RedisServer
from support.writes import Key

from loadtests.chaos.plan import KINDS, plan
from loadtests.chaos.run import run as run_of_chaos
from loadtests.chaos.system import System
from social.contracts.codec import decode
from social.infra import clock

PAGE = Path(__file__).parents[2] / "docs/deploying.md"
ROLL, STATUS = "python -m devtools.cluster roll", "python -m devtools.cluster status"
PEOPLE = 6
DRAIN_S = 2


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a cluster for all tests of this module; the last test ends it."""
    require(RedisServer)
    require(RabbitServer)
    require(Nginx)
    (port,), folder = free_ports(1), tmp_path_factory.mktemp("cluster")
    store = ImpatientStore(folder / "documents")  # else a killed process may hold some for a minute
    run(store.start())
    started = Cluster(folder, port, DRAIN_S=DRAIN_S, REALTIME_PROCESSES=2, MONGO_URL=store.url)
    try:
        yield run(started.start())
    finally:
        run(started.program.kill())
        run(store.kill())


async def test_it_says_where_everything_is_and_all_of_it_runs(cluster: Cluster) -> None:
    for said in ("Plaza is running", "6 processes", f"http://localhost:{cluster.port}/docs", str(cluster.var)):
        assert said in cluster.program.out
    assert cluster.program.err == ""
    parts = await cluster.parts()
    assert set(parts) == {
        *("redis-server", "rabbitmq-server", "nginx"),
        *("api-1", "api-2", "realtime-1", "realtime-2", "workers-1", "workers-2"),
    }
    assert all(part["running"] and part["starts"] == 1 for part in parts.values())
    status = await cluster.control("status")
    assert {decode(line)["name"] for line in status.out.splitlines()} == set(parts)
    assert STATUS in PAGE.read_text()


async def test_every_kind_of_process_is_replaced_under_load_and_nobody_loses_anything(cluster: Cluster) -> None:
    assert ROLL in PAGE.read_text()
    async with crowd(cluster.url, PEOPLE) as people, page() as browser:
        await follows_along(browser, cluster, people.people[0])
        async with people.busy():
            await knows_where_it_is(browser)
            rolled = await cluster.control("roll", "workers-1", "realtime-1", "api-1")
        assert rolled.code == 0, rolled
        assert [line.partition(":")[0] for line in rolled.out.splitlines()] == ["workers-1", "realtime-1", "api-1"]
        account = await settle(people)
        account.flawless()
        assert account.unrecovered == 0
        await missed_nothing(browser, people.people[0])
        given_s = [each for person in people.people for each in person.sent_away_s]
        assert len(given_s) > 1, "nobody was on that gateway"
        spread = DRAIN_S * (len(given_s) - 1) / len(given_s)  # sockets are let go one by one
        assert max(given_s) - min(given_s) > spread / 2, "they all come back at once"
        assert all(person.returns for person in people.people if person.sent_away_s)
    parts = await cluster.parts()
    assert {name for name, part in parts.items() if part["starts"] == 2} == {"workers-1", "realtime-1", "api-1"}


async def test_whatever_is_killed_under_load_nobody_loses_anything(cluster: Cluster) -> None:
    killed = ("workers-2", "api-2", "rabbitmq-server", "redis-server")
    before = await cluster.parts()
    async with crowd(cluster.url, PEOPLE) as people, page() as browser:
        await follows_along(browser, cluster, people.people[0])
        async with people.busy():
            await knows_where_it_is(browser)
            for name in (*killed, "realtime-1", "realtime-2"):
                await asyncio.sleep(0.3)
                await cluster.kill(name)

            async def everything_runs_again() -> None:
                parts = await cluster.parts()
                for name in (*killed, "realtime-1", "realtime-2"):
                    assert parts[name]["running"]
                    assert parts[name]["starts"] == before[name]["starts"] + 1

            await eventually(everything_runs_again, every_s=0.2)
            before_that = len(people.record.acks)

            async def everybody_writes_again() -> None:
                assert len(people.record.acks) > before_that + 4 * PEOPLE

            await eventually(everybody_writes_again)
        account = await settle(people)
        account.flawless()
        await missed_nothing(browser, people.people[0])
        assert any(person.returns for person in people.people)
    for name in killed:
        assert f"{name:<15} | ended (killed by SIGKILL" in cluster.program.out


class Standing(System):
    """A cluster that runs already, of which the processes are killed and frozen, and nothing else is harmed."""

    def __init__(self, folder: Path, cluster: Cluster, parts: dict[str, Any]) -> None:
        super().__init__(folder)
        self.url, self._cluster, self._before = cluster.url, cluster, parts

    def pid(self, name: str) -> int:
        return int(self._before[name]["pid"])

    async def ready(self, within_s: float) -> None:
        async def all_run() -> None:
            assert all(part["running"] for part in (await self._cluster.parts()).values())

        await eventually(all_run)

    def parked(self) -> list[str]:
        return []


async def test_a_run_of_chaos_loses_and_doubles_nothing(cluster: Cluster, tmp_path: Path) -> None:
    kinds = {name: KINDS[name] for name in ("killed", "frozen")}
    planned = plan(6, kinds)
    assert [(each.kind, each.target) for each in planned.faults] == [("frozen", "realtime-1"), ("killed", "api-1")]
    result = await run_of_chaos(Standing(tmp_path, cluster, await cluster.parts()), planned, people=4)
    assert result.flaws == []
    assert result.counted.acknowledged > 4
    assert (result.counted.lost, result.counted.unexpected, result.counted.duplicated) == (0, 0, 0)


async def test_the_account_of_a_crowd_notices_what_is_lost_and_what_is_doubled(cluster: Cluster) -> None:
    async with crowd(cluster.url, 4) as people:
        async with people.busy():

            async def three_comment() -> None:
                assert sum(each.key.kind == "comment" for each in people.record.writes.acknowledged()) >= 3

            await eventually(three_comment)
        (await settle(people)).flawless()
        reader = people.people[-1]
        shown = (await reader.all("/v1/notifications"))[0]
        with pymongo.MongoClient[dict[str, Any]](cluster.mongo_url) as client:
            comments, notifications = client["plaza"]["comments"], client["plaza"]["notifications"]
            posts = list(people.record.posts)
            lost, twice, _ = comments.find({"post_id": {"$in": posts}}).limit(3)
            comments.delete_one({"_id": lost["_id"]})
            comments.insert_one({**twice, "_id": clock.new_id()})
            assert notifications.delete_one({"_id": shown["id"]}).deleted_count == 1
        account = await settle(people, timeout_s=0)
    key = ("comment", lost["author_id"], lost["post_id"], lost["text"])
    assert f"lost: {Key(*key)}" in account.lost
    group = (shown["type"], shown["target"]["id"])
    assert f"{reader.name} notified of {group}: 0 of {shown['count']}" in account.lost
    assert f"duplicated: {Key('comment', twice['author_id'], twice['post_id'], twice['text'])}" in account.doubled
    assert (account.counts.lost, account.counts.duplicated) == (1, 1)


async def follows_along(browser: Page, cluster: Cluster, somebody: Member) -> None:
    """Connect the official JavaScript client as a second device of a person."""
    await browser.connect(cluster.port, somebody.token)


async def knows_where_it_is(browser: Page) -> None:
    """Wait for the first event of its stream: a client can resume only from an offset that it received."""

    async def heard() -> None:
        assert any(isinstance(args[-1], str) for args in browser.all("event"))

    await eventually(heard)


async def missed_nothing(browser: Page, somebody: Member) -> None:
    """Assert that the client resumed each time, and received everything once and in order."""

    async def heard() -> None:
        numbers = [int(args[-1].rpartition(".")[2]) for args in browser.all("event") if isinstance(args[-1], str)]
        assert numbers, [str(entry)[:200] for entry in browser.log if "connect_error" not in entry]
        assert numbers == list(range(numbers[0], somebody.seen[1] + 1))

    await eventually(heard)
    assert all(each["recovered"] for each in browser.all("connect")[1:])


async def test_what_cannot_be_replaced_is_refused_by_name(cluster: Cluster) -> None:
    ended = await cluster.control("roll", "painting")
    assert ended.code == 1
    assert ended.out.startswith("plaza: there is no painting; there are api, api-1, ")


async def test_a_second_start_on_the_same_folder_is_refused_in_one_line(cluster: Cluster, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    second = Program("devtools.cluster", folder=tmp_path, PLAZA_VAR=cluster.var, PORT=port)
    one_line(await second.start().ended(), f"{cluster.var} is in use by another Plaza")


async def test_a_killed_cluster_leaves_no_process(cluster: Cluster) -> None:
    children = cluster.program.children()
    assert {"redis-server", "nginx", "epmd"} <= {child.name() for child in children}
    await cluster.program.kill()
    assert await gone(children)


async def test_where_no_cluster_runs_there_is_nobody_to_tell(tmp_path: Path) -> None:
    program = Program("devtools.cluster", "status", folder=tmp_path, PLAZA_VAR=tmp_path / "var")
    one_line(await program.start().ended(), f"no cluster runs in {tmp_path / 'var'}")


async def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = Program("devtools.cluster", folder=tmp_path, PLAZA_VAR=tmp_path / "var", PORT=port)
        one_line(await program.start().ended(), f"cannot listen on 127.0.0.1:{port}: ")


async def test_servers_that_are_not_installed_are_named_with_the_command_that_installs_them(tmp_path: Path) -> None:
    program = Program("devtools.cluster", folder=tmp_path, PLAZA_VAR=tmp_path / "var", PATH=tmp_path, STORE="py")
    one_line(
        await program.start().ended(),
        "redis-server, rabbitmq-server are not installed: apt-get install redis-server rabbitmq-server",
    )


def one_line(ended: Any, starts: str) -> None:
    assert ended.code == 1, ended
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith(f"plaza: {starts}"), ended.err
