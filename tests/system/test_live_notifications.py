"""An old inbox with the pushes since then is what `GET /v1/notifications` returns, on each of a person's devices."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from support.eventually import eventually
from support.mirror import Json, Mirror
from support.people import Person, door_to
from support.ports import free_ports
from support.system import Embedded

pytestmark = pytest.mark.asyncio(loop_scope="module")
crowds = itertools.count()


class Stage:
    """Ada has two devices, Bob one, and Eve acts. Ada was notified of a like, a comment and a mention by Bob."""

    def __init__(self, ada: Mirror, hers: Mirror, bob: Mirror, eve: Person, post_id: str, comment_id: str) -> None:
        self.mirrors = (ada, hers, bob)
        self.ada, self.bob, self.eve = ada, bob, eve
        self.post_id, self.comment_id = post_id, comment_id
        self.post, self.comment = f"/v1/posts/{post_id}", f"/v1/comments/{comment_id}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Embedded]:
    api_port, realtime_port = free_ports(2)
    folder = tmp_path_factory.mktemp("live") / "var"
    async with Embedded(folder, api_port=api_port, realtime_port=realtime_port) as embedded:
        yield embedded


@pytest_asyncio.fixture(loop_scope="module")
async def stage(system: Embedded) -> AsyncIterator[Stage]:
    async with door_to(system.api_url) as door:
        crowd = next(crowds)
        ada, bob, eve = [await door.register(f"{name}_{crowd}") for name in ("ada", "bob", "eve")]
        post = await ada.publish("hello")
        await bob.like(post)
        comment = await bob.comment(post, "first")
        await bob.publish(f"hello @{ada.username}")

        async def settled() -> None:
            assert [len(await each.notifications()) for each in (ada, bob)] == [3, 0]
            assert (await ada.inbox()).offset.endswith(".3")

        await eventually(settled)
        mirrors = [Mirror(each, door, system.realtime_url) for each in (ada, ada, bob)]
        for mirror in mirrors:
            await mirror.connect()
        yield Stage(mirrors[0], mirrors[1], mirrors[2], eve, post.id, comment.id)
        for mirror in mirrors:
            await mirror.close()


async def ask(person: Person, method: str, path: str, body: object = None) -> Json:
    answer = await person.ask(method, path, body)
    assert answer.status < 300, answer
    found: Json = answer.body if answer.raw else {}
    return found


async def until(person: Person, *types: str) -> None:
    """Wait until a person was notified of exactly these."""

    async def look() -> None:
        assert sorted(each.type for each in await person.notifications()) == sorted(types)

    await eventually(look)


Verb = Callable[[Stage], Awaitable[object]]


async def another_like(stage: Stage) -> None:
    await ask(stage.eve, "PUT", f"{stage.post}/like")


async def an_unlike_of_one_of_two(stage: Stage) -> None:
    await another_like(stage)
    await ask(stage.bob.person, "DELETE", f"{stage.post}/like")


async def the_only_unlike(stage: Stage) -> None:
    await ask(stage.bob.person, "DELETE", f"{stage.post}/like")


async def like_unlike_like(stage: Stage) -> None:
    await the_only_unlike(stage)
    await until(stage.ada.person, "comment", "mention")
    await ask(stage.bob.person, "PUT", f"{stage.post}/like")


async def a_like_of_a_comment(stage: Stage) -> None:
    await ask(stage.eve, "PUT", f"{stage.comment}/like")


async def a_like_of_a_comment_taken_back(stage: Stage) -> None:
    await a_like_of_a_comment(stage)
    await until(stage.bob.person, "like")
    await ask(stage.eve, "DELETE", f"{stage.comment}/like")


async def a_reply_that_mentions(stage: Stage) -> None:
    names = f"@{stage.ada.person.username} @{stage.bob.person.username}"
    await ask(stage.eve, "POST", f"{stage.post}/comments", {"text": names, "parent_id": stage.comment_id})


async def a_reply_deleted(stage: Stage) -> None:
    body = {"text": "well", "parent_id": stage.comment_id}
    reply = await ask(stage.eve, "POST", f"{stage.post}/comments", body)
    await until(stage.bob.person, "reply")
    await ask(stage.eve, "DELETE", f"/v1/comments/{reply['id']}")


async def a_comment_deleted(stage: Stage) -> None:
    await a_reply_that_mentions(stage)
    await until(stage.bob.person, "reply")
    await ask(stage.bob.person, "DELETE", stage.comment)


async def a_mention_edited_away(stage: Stage) -> None:
    post = await ask(stage.eve, "POST", "/v1/posts", {"text": f"hello @{stage.bob.person.username}"})
    await until(stage.bob.person, "mention")
    await ask(stage.eve, "PATCH", f"/v1/posts/{post['id']}", {"text": "hello"})


async def a_mention_edited_in(stage: Stage) -> None:
    names = {"text": f"first @{stage.ada.person.username} @{stage.eve.username}"}  # Ada was notified of it as a comment
    await ask(stage.bob.person, "PATCH", stage.comment, names)


async def a_repost(stage: Stage) -> None:
    await ask(stage.bob.person, "PUT", f"{stage.post}/repost")


async def a_repost_taken_back(stage: Stage) -> None:
    await a_repost(stage)
    await until(stage.ada.person, "like", "comment", "mention", "repost")
    await ask(stage.bob.person, "DELETE", f"{stage.post}/repost")


async def a_follow(stage: Stage) -> None:
    await stage.eve.follow(stage.ada.person)


async def a_follow_taken_back(stage: Stage) -> None:
    await a_follow(stage)
    await until(stage.ada.person, "like", "comment", "mention", "follow")
    await stage.eve.unfollow(stage.ada.person)


async def a_request_accepted(stage: Stage) -> None:
    await stage.ada.person.edit(private=True)
    await stage.bob.person.follow(stage.ada.person)
    await until(stage.ada.person, "like", "comment", "mention", "follow_request")
    await stage.ada.person.accept(stage.bob.person)


async def what_is_switched_off(stage: Stage) -> None:
    await ask(stage.ada.person, "PATCH", "/v1/notifications/preferences", {"like": False})
    await another_like(stage)
    await ask(stage.eve, "PUT", f"{stage.post}/repost")


async def a_post_deleted(stage: Stage) -> None:
    await a_like_of_a_comment(stage)
    await until(stage.bob.person, "like")
    await ask(stage.ada.person, "DELETE", stage.post)


async def one_read(stage: Stage) -> None:
    await ask(stage.ada.person, "POST", "/v1/notifications/read", {"ids": stage.ada.state["order"][:1]})


async def all_read_then_another_like(stage: Stage) -> None:
    await stage.ada.send("notifications.read", {"all_until": "2100-01-01T00:00:00Z"})
    await another_like(stage)


async def read_then_unliked_and_liked_again(stage: Stage) -> None:
    await stage.ada.send("notifications.read", {"all_until": "2100-01-01T00:00:00Z"})
    await like_unlike_like(stage)


HERS = ("comment", "like", "mention")

# Each action, and the notifications of Ada and Bob in the end, with how many are unread.
CASES: list[tuple[Verb, tuple[str, ...], int, tuple[str, ...]]] = [
    (another_like, HERS, 3, ()),
    (an_unlike_of_one_of_two, HERS, 3, ()),
    (the_only_unlike, ("comment", "mention"), 2, ()),
    (like_unlike_like, HERS, 3, ()),
    (a_like_of_a_comment, HERS, 3, ("like",)),
    (a_like_of_a_comment_taken_back, HERS, 3, ()),
    (a_reply_that_mentions, ("comment", "like", "mention", "mention"), 4, ("reply",)),
    (a_reply_deleted, HERS, 3, ()),
    (a_comment_deleted, ("like", "mention"), 2, ()),
    (a_mention_edited_away, HERS, 3, ()),
    (a_mention_edited_in, HERS, 3, ()),
    (a_repost, (*HERS, "repost"), 4, ()),
    (a_repost_taken_back, HERS, 3, ()),
    (a_follow, ("comment", "follow", "like", "mention"), 4, ()),
    (a_follow_taken_back, HERS, 3, ()),
    (a_request_accepted, HERS, 3, ("follow_accepted",)),
    (what_is_switched_off, (*HERS, "repost"), 4, ()),
    (a_post_deleted, ("mention",), 1, ()),
    (one_read, HERS, 2, ()),
    (all_read_then_another_like, ("comment", "like", "like", "mention"), 1, ()),
    (read_then_unliked_and_liked_again, HERS, 0, ()),
]


@pytest.mark.parametrize(("verb", "hers", "unread", "his"), CASES, ids=[verb.__name__ for verb, *_ in CASES])
async def test_old_notifications_and_their_pushes_are_the_fresh_ones(
    stage: Stage, verb: Verb, hers: tuple[str, ...], unread: int, his: tuple[str, ...]
) -> None:
    await verb(stage)
    await until(stage.ada.person, *hers)
    await until(stage.bob.person, *his)

    async def same() -> None:
        for mirror in stage.mirrors:
            fresh = await mirror.snapshot()
            for part in ("notifications", "order", "unread"):
                assert mirror.state[part] == fresh[part], (mirror.person, mirror.events)
        assert stage.ada.state["unread"] == unread

    await eventually(same)
