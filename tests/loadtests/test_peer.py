"""Plaza and the peer it is compared with give equal answers where it counts, and one run measures both."""

import asyncio
import json
import os
import random
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aio_pika
import pytest
from aio_pika import Message
from conftest import run
from support.eventually import eventually
from support.peer_story import Facts, story
from support.servers import DocumentStore, RabbitServer, RedisServer

from loadtests import tables
from loadtests.benchmarks import peer, peer_measures
from loadtests.benchmarks.node_packages import NoNode, install_node_packages
from loadtests.benchmarks.peer_client import Answer, Connection, Http, Socket
from loadtests.benchmarks.peer_crowd import Crowd, Like, Person, Size
from loadtests.benchmarks.peer_systems import ROOT, Servers, System, running


@pytest.fixture(scope="module")
def installed() -> None:
    """Install the peer's packages, where there is npm."""
    try:
        install_node_packages()
    except NoNode as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error}, and CI=true lets no test be skipped for it", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def servers(redis_server: RedisServer, rabbit_server: RabbitServer, document_store: DocumentStore) -> Servers:
    """Run the servers that both systems use."""
    for each in (redis_server, rabbit_server, document_store):
        run(each.start())  # a test may have left it stopped
    return Servers(document_store.url, redis_server.url, rabbit_server.url)


@dataclass
class Ran:
    """The story of people in a system, and the figures of a short benchmark of it."""

    facts: Facts
    figures: dict[str, Any]
    notifications_of_one_job: int


@pytest.fixture(scope="module")
def ran(installed: None, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Run both systems, one after the other."""

    async def one(name: str) -> Ran:
        async with running(name, servers, tmp_path_factory.mktemp("peer") / name, ROOT) as system:
            facts = await story(system)
            notified = await same_job_twice(system, servers) if name == "peer" else 1
            return Ran(facts, await peer.turn(system, *peer.understood(["--quick"])), notified)

    return {name: run(one(name)) for name in peer.SYSTEMS}


@pytest.fixture
def stories(ran: dict[str, Ran]) -> dict[str, Facts]:
    """Return only the stories."""
    return {name: each.facts for name, each in ran.items()}


async def same_job_twice(system: System, servers: Servers) -> int:
    """Deliver a job twice, as RabbitMQ does after a lost ack; return how many notifications there are then."""
    http = Http(system.api)
    names = ("grace", "henry")
    bodies = ({"username": name, "email": f"{name}@example.org", "password": "correct horse battery"} for name in names)
    grace, henry = [(await http.ask("POST", "/v1/auth/register", None, body)).json for body in bodies]
    post = (await http.ask("POST", "/v1/posts", grace["access_token"], {"text": "hello"})).json["id"]
    data = {"post": post, "recipient": grace["user"]["id"], "actor": henry["user"]["id"]}
    job = Message(json.dumps(data).encode(), type="post.liked", message_id="one job", content_type="application/json")

    async def listed() -> list[str]:
        items = (await http.ask("GET", "/v1/notifications", grace["access_token"])).json["items"]
        types = [each["type"] for each in items]
        assert awaited in types
        return types

    async with await aio_pika.connect(servers.amqp) as connection, connection.channel() as channel:
        exchange = await channel.get_exchange(f"{system.database}.events")
        await exchange.publish(job, "post.liked")
        awaited = "like"
        await eventually(listed)
        await exchange.publish(job, "post.liked")
    await http.ask("PUT", f"/v1/users/{names[0]}/follow", henry["access_token"])
    awaited = "follow"
    await eventually(listed)
    await asyncio.sleep(0.3)  # the two may be handled side by side
    types = await listed()
    await http.close()
    return types.count("like")


def test_both_answer_and_push_the_same(stories):
    product, peers = (
        {name: fact for name, fact in facts.items() if not name.endswith(" keys")} for facts in stories.values()
    )
    assert peers == product


def test_all_that_the_peer_answers_plaza_answers_too(stories):
    for name, keys in stories["peer"].items():
        if name.endswith(" keys"):
            assert set(keys) <= set(stories["product"][name])


@pytest.mark.parametrize("name", peer.SYSTEMS)
def test_what_they_answer_is_what_was_agreed(stories, name):
    facts = stories[name]
    assert facts["as who liked it sees it"]["liked"]
    assert not facts["as its author sees it"]["liked"]
    assert facts["as its author sees it"]["likes"] == 1
    assert facts["post"][1]["author"] == "ada"
    assert facts["another deletes it"] == (403, "forbidden")
    assert facts["gone"] == [(404, "not_found")] * 3
    assert facts["who is blocked finds nobody"] == [(404, "not_found")] * 3 + ["not_found"]
    assert facts["nor is found"] == (404, "not_found")
    assert facts["nor in timelines"] == ["eve"]
    assert facts["pushed"][0] == {"type": "like", "actors": ["bob"], "count": 1, "read_at": None}
    assert facts["took it back"] == [True, False, True]
    assert [each["actors"] for each in facts["notified once"]] == [["bob"]]
    assert facts["pushed once"] == 1


def test_a_job_that_comes_twice_is_one_notification_of_the_peer(ran):
    assert ran["peer"].notifications_of_one_job == 1


def test_a_run_measures_both(ran):
    figures = peer.merged({name: [each.figures] for name, each in ran.items()})
    assert figures["rounds"] == 1
    pushed = figures["like_push"]["20"]
    assert pushed["offered"]["product"] == pushed["offered"]["peer"] > 2
    for counts in (pushed["acknowledged"], pushed["offered"]):
        assert counts == pushed["offered"]
    assert set(pushed["unpushed"].values()) == set(pushed["refused"].values()) == {0}
    for kind, of_kind in figures["rest"].items():
        for measured in of_kind.values():
            assert all(measured["per_second"][name] > 0 for name in peer.SYSTEMS), kind
            assert all(measured["cpu_ms"][name] > 0 for name in peer.SYSTEMS), kind
    head, *rows = tables.of_peer(figures)
    assert head == ["", "product", "peer", "product / peer", "own CPU a request"]
    assert all(len(row) == len(head) for row in rows)
    short_head, *short = tables.of_peer_in_short(figures)
    assert len(short_head) == 4
    assert short[0][0] == "most likes/s with p99 ≤ 500 ms"
    assert {len(row) for row in short} == {4}
    assert [row[0] for row in rows][:2] == ["like → push at 20 likes/s, p50", "like → push at 20 likes/s, p99"]


SYSTEM = System("product", "http://127.0.0.1:1", "http://127.0.0.1:1", "measured")


@pytest.fixture
async def crowd() -> Crowd:
    """Return a crowd without people."""
    return Crowd(SYSTEM, Http(SYSTEM.api), Size(), random.Random(1))


def push(post: str, *actors: str, count: int, event: str = "notification.updated", kind: str = "like") -> bytes:
    """Return a push as the sockets bring it."""
    data = {"type": kind, "post_id": post, "actors": [{"id": each} for each in actors], "count": count}
    return json.dumps([event, data, "epoch.1"]).encode()


async def test_a_like_is_pushed_when_a_push_names_its_person_and_post(crowd):
    ada, bob = Like(1.0), Like(2.0)
    crowd.unpushed["p"] = {"ada": ada, "bob": bob}
    crowd.sent["p"] = 2
    crowd.receive(push("other", "ada", count=1), 3.0)
    crowd.receive(push("p", "ada", count=1, kind="comment"), 3.0)
    crowd.receive(b'["notification.removed",{"id":"x","rev":2}]', 3.0)
    assert (ada.pushed, bob.pushed) == (0, 0)
    crowd.receive(push("p", "ada", count=1), 4.0)
    assert (ada.pushed, bob.pushed) == (4.0, 0)
    crowd.receive(push("p", "bob", count=1, event="notification"), 5.0)
    assert bob.pushed == 5.0
    crowd.receive(push("p", "ada", "bob", count=2), 6.0)
    assert (ada.pushed, bob.pushed) == (4.0, 5.0)


async def test_a_group_that_counts_all_likes_delivers_also_those_it_does_not_name(crowd):
    likes = {f"person{number}": Like(1.0) for number in range(10)}
    crowd.unpushed["p"], crowd.sent["p"] = dict(likes), 10
    crowd.receive(push("p", "person9", count=9), 2.0)
    assert [each.pushed for each in likes.values()] == [0.0] * 9 + [2.0]
    crowd.receive(push("p", "person9", count=10), 3.0)
    assert [each.pushed for each in likes.values()] == [3.0] * 9 + [2.0]
    assert await crowd.all_pushed(0) == 0


async def test_a_like_that_is_not_answered_well_is_refused_and_not_waited_for(crowd):
    who = Person("ada", "ada", "token")
    like = await crowd.like(who, "p", 1.0)  # no server listens there
    assert like.status == 0
    assert await crowd.all_pushed(0) == 0


async def test_no_pair_of_person_and_post_is_liked_twice_and_nobody_likes_their_own(crowd):
    crowd.people = [Person(name, name, "") for name in ("ada", "bob", "eve")]
    crowd.posts = [("a1", "ada"), ("a2", "ada"), ("b1", "bob")]
    likes = crowd.likes()
    pairs = [next(likes) for _ in range(6)]
    assert len({(who.id, post) for who, post in pairs}) == 6
    assert all(post[0] != who.id[0] for who, post in pairs)
    with pytest.raises(RuntimeError, match="more people are needed"):
        next(likes)


class Clock:
    """A clock that passes where the measures sleep, and nowhere else."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """Measure by a clock that no busy machine delays."""
    clock = Clock()
    monkeypatch.setattr(peer_measures, "time", clock)
    stands_in = SimpleNamespace(sleep=clock.sleep, gather=asyncio.gather, create_task=asyncio.create_task)
    monkeypatch.setattr(peer_measures, "asyncio", stands_in)
    return clock


async def test_latency_counts_from_when_a_like_was_due(crowd, clock):
    """A like that was due while a system stalled for a moment has waited for it."""
    crowd.people = [Person(name, name, "") for name in ("ada", "bob")]
    crowd.posts = [(f"a{number}", "ada") for number in range(200)]
    crowd.signed_at = time.monotonic()
    likes, stalled_until = crowd.likes(), clock.now + 0.4

    async def like(who: Person, post: str, due: float) -> Like:
        at = max(due, stalled_until)
        return Like(due, 200, at, at)

    crowd.like = like
    took = await peer_measures.like_push(crowd, likes, 200, 0.4)
    assert took["acknowledged"] == took["offered"] > 40
    assert took["p99_ms"] > 300
    assert took["p50_ms"] == pytest.approx(200, abs=100)


@pytest.mark.parametrize(("bound", "found"), [(100, (75, 100)), (400, (300, 400)), (30, (20, 30)), (0, (0, 0))])
async def test_the_highest_rate_is_sought_from_both_sides(crowd, monkeypatch, bound, found):
    async def like_push(_crowd: Crowd, _likes: object, rate: float, _seconds: float) -> dict[str, Any]:
        return {"refused": 0, "unpushed": 0, "p99_ms": 100.0 if rate <= bound else 900.0}

    async def quiet(_within_s: float) -> None:
        pass

    monkeypatch.setattr(peer_measures, "like_push", like_push)
    crowd.quiet = quiet
    rate = await peer_measures.highest_rate(crowd, iter(()), 90, 1)
    assert found[0] <= rate <= found[1]


def test_figures_are_medians_of_rounds_side_by_side():
    def of(rate: float, p99: float | None) -> dict[str, Any]:
        return {"rest": {"GET post": {"16": {"per_second": rate, "p99_ms": p99}}}, "highest_rate": rate}

    measured = {"product": [of(1, 5.0), of(9, None), of(2, 7.0)], "peer": [of(4, 1.0)] * 3}
    figures = peer.merged(measured)
    assert figures["highest_rate"] == {"product": 2, "peer": 4}
    assert figures["rest"]["GET post"]["16"]["p99_ms"] == {"product": 6.0, "peer": 1.0}
    assert figures["rounds"] == 3


@pytest.mark.parametrize(
    ("rates", "row"),
    [
        ((75.0, 50.0), ["75", "50", "1.50×"]),
        ((0.0, 50.0), ["0", "50", "0.00×"]),
        ((75.0, 0.0), ["75", "0", ""]),
        ((75.0, None), ["75", "–", ""]),
    ],
)
def test_a_ratio_needs_a_figure_of_the_peer_that_is_not_zero(rates, row):
    """On a busy machine no rate at all may be within 500 ms: that is 0 likes a second."""
    figures = {"highest_rate": dict(zip(peer.SYSTEMS, rates, strict=True))}
    assert tables.of_peer_in_short(figures)[1] == ["most likes/s with p99 ≤ 500 ms", *row]
    assert tables.of_peer(figures)[1][1:4] == row


def test_the_table_says_what_was_refused():
    spent = {"cpu_ms": 3.0}
    counts = {"offered": 100, "acknowledged": 60, "refused": 40, "unpushed": 3, "p50_ms": 12.5, "p99_ms": 250.0} | spent
    good = counts | {"acknowledged": 100, "refused": 0, "unpushed": 0, "p50_ms": 25.0, "p99_ms": 100.0}
    figures = peer.merged({"product": [{"like_push": {"100": counts}}], "peer": [{"like_push": {"100": good}}]})
    rows = {row[0]: list(row[1:]) for row in tables.of_peer(figures)}
    assert rows["like → push at 100 likes/s, p50"] == ["12 ms", "25 ms", "0.50×", "3.00 ms, 3.00 ms: 1.00×"]
    assert rows["like → push at 100 likes/s, p99"] == ["250 ms", "100 ms", "2.50×", ""]
    assert rows["like → push at 100 likes/s: acknowledged"] == ["60", "100", "0.60×", ""]
    assert rows["like → push at 100 likes/s: refused"] == ["40", "0", "", ""]
    assert rows["like → push at 100 likes/s: not pushed in time"] == ["3", "0", "", ""]
    ((_, *shortened),) = tables.of_peer_in_short(figures)[1:]
    assert shortened == ["12 ms · 250 ms", "25 ms · 100 ms", "0.50× · 2.50×"]


async def test_the_client_reads_answers_and_frames_however_they_are_cut():
    connection = Connection()
    loop = asyncio.get_running_loop()
    for size in (1, 7, 1_000):
        connection._answer = answer = loop.create_future()
        whole = b"HTTP/1.1 404 Not Found\r\nContent-Type: x\r\nContent-Length: 5\r\n\r\nhello"
        for start in range(0, len(whole), size):
            connection.data_received(whole[start : start + size])
        assert await answer == Answer(404, b"hello")
    heard: list[bytes] = []
    socket = Socket("token", lambda event, _at: heard.append(event))
    socket._upgraded = True
    long = b'["e","' + b"x" * 300 + b'"]'
    longer = b'["e","' + b"x" * 70_000 + b'"]'
    frames = b"\x81\x08" + b'42["ab"]' + b"\x81\x7e" + (len(long) + 2).to_bytes(2, "big") + b"42" + long
    frames += b"\x81\x7f" + (len(longer) + 2).to_bytes(8, "big") + b"42" + longer
    for size in (3, 1_000):
        heard.clear()
        for start in range(0, len(frames), size):
            socket.data_received(frames[start : start + size])
        assert heard == [b'["ab"]', long, longer]


async def test_who_is_refused_comes_back_when_the_answer_says(clock):
    connection = Connection()
    connection._answer = answer = asyncio.get_running_loop().create_future()
    connection.data_received(b"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n")
    assert await answer == Answer(503, b"", 2.0)
    answers, asked = iter((0.1, 0.1, None)), []

    async def ask() -> float | None:
        asked.append(clock.now)
        return next(answers, 60.0)

    figures = await peer_measures.at_once(ask, 1, 0.4)
    assert figures["accepted"] == 1
    assert figures["refused"] == 3
    assert asked[2] - asked[0] == pytest.approx(0.2)


async def test_an_answer_without_a_length_is_an_error_and_not_a_wait():
    connection = Connection()
    connection._answer = answer = asyncio.get_running_loop().create_future()
    connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(ValueError, match="without a length"):
        await answer
