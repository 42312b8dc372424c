"""Commands of a like to the document store, from the request to the push: fewer for each like under load."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from support.commands import Command, Commands, recording, recording_messages
from support.eventually import eventually
from support.people import Person
from support.site import Site, system

from social.posts import likes

pytestmark = pytest.mark.parametrize("broker", ["rabbit"])

# The answer, beside what the request reads.
BEFORE = {"insert interactions": 1, "insert outbox": 1, "commitTransaction": 1}
AFTER = {
    # The consumer of notifications reads all at once, except what it needs to know the people first.
    "find posts": 1,  # nobody watches the post, so its new counts are not read
    "find interactions": 1,
    "find edges": 2,
    "find users": 1,  # the person who acts; the recipient's card and preferences were read a moment ago
    "find notifications": 1,
    "find streams": 1,
    # Two transactions: the notification, whose inbox is the fact, and a moment later the count.
    "insert notification_facts": 1,
    "update notifications": 1,
    "update streams": 1,
    "commitTransaction": 2,
    "insert inbox": 1,
    "update posts": 1,
    "delete outbox": 1,
}

# Commands that are sent together, in order.
MESSAGES = [
    {"find posts", "find interactions"},
    {"find edges", "find users"},  # how the author may be seen, after the post
    {"insert interactions", "insert outbox"},
    {"find posts", "find interactions", "find edges", "find streams", "find users"},
    {"insert notification_facts", "update notifications", "update streams"},
    {"insert inbox", "update posts"},
]


@pytest.fixture
def commands() -> Commands:
    """Record the commands, from the first connection on."""
    return Commands()


@pytest.fixture
async def site(
    mongo_url: str,
    mongo_database: str,
    broker_url: str | None,
    redis_url: str,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Site]:
    """The API and the two consumers of a like, in a single process here."""
    monkeypatch.setattr("workers.app.COLLECT_S", 3.0)  # until all is pushed, also where the machine is busy
    monkeypatch.setattr("social.infra.store.ttl_cache.FRESH_S", 60.0)  # what was read a moment ago is fresh then
    with recording(commands):
        roles = ("notifications", "counters")
        async with system(
            mongo_url, mongo_database, broker_url=broker_url, redis_url=redis_url, roles=roles
        ) as running:
            yield running


def names(commands: Commands) -> list[str]:
    """Return the names of commands, without those that every process repeats all the time."""
    return [_name(command) for _, command in commands.sent if not _watching(command)]


def _name(command: Command) -> str:
    return command.name if command.name.endswith("Transaction") else f"{command.name} {command.collection}"


def _watching(command: Command) -> bool:
    if command.name in ("ping", "hello"):
        return True
    if any(name.startswith(("due_at", "sessions_ended")) for name in command.document.get("filter", {})):
        return True
    if command.collection == "workers":
        return True
    return command.name in ("find", "count", "aggregate") and command.collection in ("outbox", "sessions", "parked")


async def settled(site: Site, person: Person, posts: int, count: int) -> None:
    """Wait until all is notified and counted, and no event waits."""

    async def look() -> None:
        notified = (await person.inbox("?limit=100")).items
        assert (len(notified), sum(each.count for each in notified)) == (posts, count)
        counted = await site.plaza.mongo.many("posts", {"likes": {"$gt": 0}}, fields={"likes": 1})
        assert sum(post["likes"] for post in counted) == count
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(look)


async def test_one_like_alone(site: Site, commands: Commands, ada: Person, bob: Person, eve: Person) -> None:
    post = await ada.publish("hello")
    await eve.like(post)
    await settled(site, ada, 1, 1)
    await asyncio.sleep(1)  # until Ada may be notified again at once
    commands.sent.clear()
    with recording_messages() as messages:
        await bob.like(post)
        await _notified(commands)
    sent = names(commands)
    answered = sent.index("commitTransaction") + 1
    assert {name: count for name, count in Counter(sent[:answered]).items() if not name.startswith("find")} == BEFORE
    assert Counter(sent[answered:]) == AFTER
    # 18 commands until the push, but few waits for the store in a row.
    assert [set(each) for each in messages if len(each) > 1] == MESSAGES


async def _notified(commands: Commands) -> None:
    async def notified() -> None:
        assert {"delete outbox", "update streams"} <= set(names(commands))
        assert names(commands).count("commitTransaction") == 3
        assert names(commands).count("find posts") == 2  # the request's, and that of the consumer

    await eventually(notified)


async def test_a_hundred_likes_at_once(site: Site, commands: Commands, ada: Person, bob: Person, eve: Person) -> None:
    posts = [await ada.publish(str(n)) for n in range(50)]
    await asyncio.sleep(1)
    commands.sent.clear()
    plaza, people = site.plaza, (bob, eve)  # not through the API, which admits fewer at once
    await asyncio.gather(*(plaza.commit(likes.like, post.id, by=each.id) for post in posts for each in people))

    async def notified() -> None:
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(notified)
    sent = names(commands)
    await settled(site, ada, 50, 100)
    assert sent.count("commitTransaction") <= 15
    assert len(sent) <= 150, "22 for a like alone, no more than 1.5 for one of a hundred"
