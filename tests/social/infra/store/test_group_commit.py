"""Transactions of many verbs in one store transaction: a refusal costs only the verb it belongs to."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import monitoring
from pymongo.errors import AutoReconnect
from support.people import Person
from support.relay import relayed
from support.site import Site

from social.contracts.events import PostLiked
from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.store import group_commit
from social.infra.store.group_commit import GroupCommit
from social.infra.store.mongo import InvalidDocument, Mongo, Transaction
from social.infra.store.schema import migrate
from social.posts import likes

AT = "2026-01-01T00:00:00Z"


class Commands(monitoring.CommandListener):
    """Counts the commands that a client sends."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.concerns: list[Any] = []  # of commits

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent[event.command_name] += 1
        if event.command_name == "commitTransaction":
            self.concerns.append(event.command.get("writeConcern"))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    counted = Commands()
    monkeypatch.setattr("social.infra.store.store_metrics.LISTENERS", (counted,))
    return counted


@pytest.fixture
async def mongo(commands: Commands, mongo_url: str, mongo_database: str) -> AsyncIterator[Mongo]:
    mongo = Mongo(mongo_url, mongo_database)
    await migrate(mongo)
    commands.sent.clear()
    commands.concerns.clear()
    yield mongo
    mongo.close()


async def insert(tx: Transaction, id_: str) -> str:
    """Insert a row, or report that it exists."""
    if await tx.get("inbox", id_):
        return "there"
    tx.insert("inbox", {"_id": id_})
    return "inserted"


async def blindly(tx: Transaction, id_: str) -> str | None:
    """Insert a row without reading first, and record the refusal of the attempt before."""
    if tx.conflict is None:
        tx.insert("inbox", {"_id": id_})
    return tx.conflict


def all_of(mongo: Mongo, verbs: Iterable[Any]) -> Awaitable[list[Any]]:
    async def one(verb: Any) -> Any:
        return (await mongo.transact(verb))[0]

    return asyncio.gather(*(one(verb) for verb in verbs), return_exceptions=True)


async def test_what_comes_together_takes_few_commits(mongo: Mongo, commands: Commands) -> None:
    done = await all_of(mongo, [lambda tx, at=at: insert(tx, f"row {at}") for at in range(30)])
    assert done == ["inserted"] * 30
    assert await mongo.count("inbox", {}, limit=99) == 30
    assert commands.sent["commitTransaction"] <= group_commit.IN_FLIGHT + 1
    assert commands.sent["find"] == 1  # all thirty read by one equal query


async def test_alone_it_is_one_commit_at_once(mongo: Mongo, commands: Commands) -> None:
    await mongo.transact(lambda tx: blindly(tx, "a"))
    assert (commands.sent["insert"], commands.sent["commitTransaction"], commands.sent["find"]) == (1, 1, 0)


async def test_a_duplicate_costs_only_its_own_verb(mongo: Mongo, commands: Commands) -> None:
    await mongo.insert_missing("inbox", [{"_id": "row 7"}, {"_id": "row 13"}, {"_id": "row 21"}])
    runs: Counter[str] = Counter()

    async def verb(tx: Transaction, id_: str) -> str | None:
        runs[id_] += 1
        return await blindly(tx, id_)

    done = await all_of(mongo, [lambda tx, at=at: verb(tx, f"row {at}") for at in range(30)])
    refused = {f"row {at}" for at, conflict in enumerate(done) if conflict is not None}
    assert refused == {"row 7", "row 13", "row 21"}
    assert {id_ for id_, count in runs.items() if count > 1} == refused
    assert await mongo.count("inbox", {}, limit=99) == 30
    # All refused verbs are found after the first refusal: the others wait for one more commit, not for three.
    assert commands.sent["commitTransaction"] + commands.sent["abortTransaction"] <= 2 * group_commit.IN_FLIGHT + 1


async def test_the_refused_verb_learns_which_index_it_was(mongo: Mongo) -> None:
    user = {"username": "ada", "email": "ada@example.org"}
    await mongo.insert("users", {"_id": "0", **user})

    async def register(tx: Transaction, document: dict[str, str]) -> str:
        if tx.conflict:
            return "email" if "email" in tx.conflict else "username"
        tx.insert("users", document)
        return "registered"

    people = [
        {"_id": "1", "username": "bob", "email": "bob@example.org"},
        {"_id": "2", "username": "ada", "email": "other@example.org"},
        {"_id": "3", "username": "eve", "email": "ada@example.org"},
        {"_id": "4", "username": "bob", "email": "bob2@example.org"},
    ]
    done = await all_of(mongo, [lambda tx, each=each: register(tx, each) for each in people])
    assert done[:3] == ["registered", "username", "email"]
    assert done[3] == "username"  # also where the other verb is in a group of its own


async def test_a_condition_that_does_not_hold_makes_its_verb_run_anew(mongo: Mongo) -> None:
    await mongo.insert("inbox", {"_id": "n", "n": 0})

    async def add(tx: Transaction) -> int:
        row = await tx.get("inbox", "n")
        assert row is not None
        tx.update("inbox", {"_id": "n", "n": row["n"]}, {"$inc": {"n": 1}})
        return int(row["n"])

    others = [lambda tx, at=at: insert(tx, f"row {at}") for at in range(10)]
    done = await all_of(mongo, [*[add] * 10, *others])
    assert sorted(done[:10]) == list(range(10))
    assert done[10:] == ["inserted"] * 10


async def test_a_verb_that_another_process_overtakes_runs_anew(mongo: Mongo) -> None:
    await mongo.insert("inbox", {"_id": "n", "n": 0})

    async def add(tx: Transaction) -> int:
        row = await tx.get("inbox", "n")
        assert row is not None
        tx.update("inbox", {"_id": "n", "n": row["n"]}, {"$inc": {"n": 1}})
        tx.insert("inbox", {"_id": f"row {row['n']}"})
        if not tx.attempt:
            await mongo.update("inbox", {"_id": "n"}, {"$inc": {"n": 1}})
        return int(row["n"])

    assert (await mongo.transact(add))[0] == 1
    rows = await mongo.many("inbox", {}, sort=[("_id", 1)])
    assert rows == [{"_id": "n", "n": 2}, {"_id": "row 1"}]


async def test_an_upsert_is_refused_where_the_document_is_not_as_it_was(mongo: Mongo) -> None:
    async def first(tx: Transaction) -> str:
        row = await tx.get("inbox", "x")
        if row:
            return "there"
        tx.update("inbox", {"_id": "x", "v": None}, {"$set": {"v": 1}}, upsert=True)
        return "made"

    assert sorted(await all_of(mongo, [first] * 5)) == ["made", *["there"] * 4]
    assert await mongo.one("inbox", {"_id": "x"}) == {"_id": "x", "v": 1}


async def test_a_document_that_cannot_be_written_fails_alone(mongo: Mongo) -> None:
    async def poison(tx: Transaction) -> None:
        tx.insert("inbox", {"_id": "poison", "key": {1: object()}})

    done = await all_of(mongo, [poison, *(lambda tx, at=at: insert(tx, f"row {at}") for at in range(9))])
    assert isinstance(done[0], InvalidDocument)
    assert done[1:] == ["inserted"] * 9


async def turns() -> None:
    """Let everything go on that waits for no server, however fast the clock runs meanwhile."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_who_gives_up_before_it_is_sent_writes_nothing(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    go, attempt = asyncio.Event(), GroupCommit._attempt

    async def slow(self: GroupCommit, group: Any) -> None:
        await go.wait()
        await attempt(self, group)

    monkeypatch.setattr(GroupCommit, "_attempt", slow)
    first = [asyncio.ensure_future(mongo.transact(lambda tx, at=at: blindly(tx, f"first {at}"))) for at in range(2)]
    await turns()
    waiting = [asyncio.ensure_future(mongo.transact(lambda tx, at=at: blindly(tx, f"row {at}"))) for at in range(5)]
    await turns()
    for each in waiting[:3]:
        each.cancel()
    go.set()
    await asyncio.gather(*first, *waiting, return_exceptions=True)
    rows = {each["_id"] for each in await mongo.many("inbox", {})}
    assert rows == {"first 0", "first 1", "row 3", "row 4"}


async def test_who_gives_up_between_two_attempts_writes_nothing(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt, begun, go_on = mongo.commits._attempt, asyncio.Event(), asyncio.Event()

    async def fails(_: Any) -> None:
        monkeypatch.setattr(mongo.commits, "_attempt", attempt)
        begun.set()
        await go_on.wait()
        lost = AutoReconnect("lost before it was sent")
        lost._add_error_label("TransientTransactionError")
        raise Unavailable from lost

    monkeypatch.setattr(mongo.commits, "_attempt", fails)
    given_up = asyncio.create_task(mongo.transact(lambda tx: insert(tx, "a")))
    await begun.wait()
    given_up.cancel()
    await asyncio.wait([given_up])
    go_on.set()
    await mongo.commits.finish(60)
    assert await mongo.count("inbox", {}, limit=9) == 0


async def test_too_much_that_waits_is_refused_at_once(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.store.group_commit.MOST_WAITING", 3)
    go, attempt = asyncio.Event(), GroupCommit._attempt

    async def slow(self: GroupCommit, group: Any) -> None:
        await go.wait()
        await attempt(self, group)

    monkeypatch.setattr(GroupCommit, "_attempt", slow)
    tasks = [asyncio.ensure_future(mongo.transact(lambda tx, at=at: blindly(tx, f"row {at}"))) for at in range(9)]
    await turns()
    refused = [each for each in tasks if each.done()]
    assert refused
    assert all(isinstance(each.exception(), Unavailable) for each in refused)
    go.set()
    await asyncio.wait(tasks)
    assert await mongo.count("inbox", {}, limit=99) == len(tasks) - len(refused)


async def test_a_commit_whose_answer_is_lost_is_asked_for_again(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    session_of, lost = mongo._client.delegate.start_session, []

    def start_session() -> Any:
        session = session_of()
        commit = session.commit_transaction

        def commit_transaction() -> None:
            commit()
            if not lost:
                lost.append(error := AutoReconnect("the answer was lost"))
                error._add_error_label("UnknownTransactionCommitResult")
                raise error

        session.commit_transaction = commit_transaction
        return session

    monkeypatch.setattr(mongo._client.delegate, "start_session", start_session)
    assert await all_of(mongo, [lambda tx, at=at: insert(tx, f"row {at}") for at in range(5)]) == ["inserted"] * 5
    assert lost
    assert await mongo.count("inbox", {}, limit=99) == 5


async def test_a_commit_that_did_not_take_effect_is_not_answered_before_it_does(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_of, lost = mongo._client.delegate.start_session, []

    def start_session() -> Any:
        session = session_of()
        commit = session.commit_transaction

        def commit_transaction() -> None:
            if not lost:
                lost.append(error := AutoReconnect("the command was lost"))
                error._add_error_label("UnknownTransactionCommitResult")
                raise error
            commit()

        session.commit_transaction = commit_transaction
        return session

    monkeypatch.setattr(mongo._client.delegate, "start_session", start_session)
    await mongo.transact(lambda tx: insert(tx, "a"))
    assert lost
    assert await mongo.count("inbox", {}, limit=9) == 1


async def test_a_commit_asks_for_the_disks_of_a_majority(mongo: Mongo, commands: Commands) -> None:
    await mongo.transact(lambda tx: insert(tx, "a"))
    assert commands.concerns == [{"w": "majority", "j": True}]


async def test_a_store_that_says_nothing_refuses_in_time_and_holds_nobody_up_afterwards(
    mongo_url: str, mongo_database: str
) -> None:
    """The store executes the first write and its answer does not come; then the store is there again."""
    async with relayed(mongo_url) as relay:
        mongo = Mongo(relay.url, mongo_database, timeout_s=120)
        await migrate(mongo)

        async def tried(at: int) -> float:
            started = time.monotonic()
            with pytest.raises(Unavailable):
                await mongo.transact(lambda tx: insert(tx, f"row {at}"), timeout_s=0.5)
            return time.monotonic() - started

        assert await mongo.transact(lambda tx: insert(tx, "warm"))
        relay.answers_to_swallow("insert")
        assert max(await asyncio.gather(*(tried(at) for at in range(5)))) < 30
        relay.answers_to_swallow(None)
        assert await all_of(mongo, [lambda tx, at=at: insert(tx, f"row {at}") for at in range(5)]) == ["inserted"] * 5
        mongo.close()


@pytest.mark.parametrize("since", [clock.at_millis(1_800_000_000_000), None])
async def test_deletes_that_rely_on_the_same_find_their_documents(
    mongo: Mongo, commands: Commands, since: datetime | None
) -> None:
    """Together the deletes are one statement; a delete that finds nothing costs only its own verb another read."""
    rows = [f"row {at}" for at in range(6)]
    await all_of(mongo, [lambda tx, row=row: follow(tx, row, since) for row in rows])
    commands.sent.clear()

    async def unfollow(tx: Transaction, row: str) -> int:
        if await tx.get("edges", row):
            wrong = row == rows[0] and not tx.attempt
            tx.delete("edges", {"_id": row, "follows_at": clock.EPOCH if wrong else since})
        return tx.attempt

    assert await all_of(mongo, [lambda tx, row=row: unfollow(tx, row) for row in rows[:1]]) == [1]
    assert await all_of(mongo, [lambda tx, row=row: unfollow(tx, row) for row in rows[1:]]) == [0] * 5
    assert await mongo.many("edges", {}) == []
    assert commands.sent["delete"] <= 4


async def follow(tx: Transaction, row: str, since: datetime | None) -> None:
    """Insert an edge that holds since then, or nothing."""
    tx.insert("edges", {"_id": row, "from": row, "to": row, **({"follows_at": since} if since else {})})


async def test_a_thousand_likes_and_unlikes_of_one_post(site: Site, ada: Person) -> None:
    """Each person's acts end as some order of them would; each change of a like is one event."""
    post, plaza = await ada.publish("hello"), site.plaza
    people = [uuid4().hex[:24] for _ in range(20)]
    events: Counter[tuple[str, str]] = Counter()
    offer = plaza.publisher.offer

    def heard(recorded: Any) -> None:
        events.update((each.data["by"], each.type) for each in recorded if each.type in ("PostLiked", "PostUnliked"))
        offer(recorded)

    object.__setattr__(plaza.publisher, "offer", heard)
    acts = [(who, likes.like if at % 2 else likes.unlike) for at in range(50) for who in people]
    for start in range(0, len(acts), 250):
        await asyncio.gather(*(plaza.commit(verb, post.id, by=who) for who, verb in acts[start : start + 250]))
    left = {row["user_id"] for row in await plaza.mongo.many("interactions", {"post_id": post.id})}
    for who in people:
        assert events[who, PostLiked.__name__] - events[who, "PostUnliked"] == (who in left)


# Each act takes a document from the token it read to a fresh one: any history of a document is then one path.
ACTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["write", "remove", "look"])), min_size=1, max_size=30
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS, turns=st.randoms(use_true_random=False))
async def test_any_mix_ends_as_some_order_of_single_commits(mongo: Mongo, acts: list[Any], turns: Any) -> None:
    steps: dict[str, list[tuple[str | None, str | None]]] = {key: [] for key in "abc"}
    prefix = uuid4().hex

    async def act(key: str, kind: str) -> None:
        async def verb(tx: Transaction) -> tuple[str | None, str | None] | None:
            row = await tx.get("inbox", prefix + key)
            before = row["token"] if row else None
            if kind == "look" or (kind == "remove" and row is None):
                return None
            after = uuid4().hex if kind == "write" else None
            if row is None:
                tx.insert("inbox", {"_id": prefix + key, "token": after})
            elif after is None:
                tx.delete("inbox", {"_id": prefix + key, "token": before})
            else:
                tx.update("inbox", {"_id": prefix + key, "token": before}, {"$set": {"token": after}})
            tx.insert("parked", {"_id": uuid4().hex, "at": AT})
            return before, after

        for _ in range(turns.randrange(3)):
            await asyncio.sleep(0)
        if step := (await mongo.transact(verb))[0]:
            steps[key].append(step)

    await asyncio.gather(*(act(*each) for each in acts))
    for key, taken in steps.items():
        row = await mongo.one("inbox", {"_id": prefix + key})
        born = Counter(after for _, after in taken if after)
        died = Counter(before for before, _ in taken if before)
        assert all(count == 1 for count in [*born.values(), *died.values()])
        alive = set(born) - set(died)
        assert alive == ({row["token"]} if row else set())
        inserted, removed = sum(b is None for b, _ in taken), sum(a is None for _, a in taken)
        assert inserted - removed == (row is not None)
