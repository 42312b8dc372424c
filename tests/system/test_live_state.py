"""For every verb: the old snapshot and its events make the fresh snapshot, on everybody's screen."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from support.eventually import eventually
from support.mirror import Mirror
from support.people import door_to
from support.pictures import uploaded
from support.ports import free_ports
from support.system import Embedded


class Stage:
    """Ada writes, Bob and Eve follow her; Ada follows nobody."""

    def __init__(self, ada: Mirror, bob: Mirror, eve: Mirror, post_id: str) -> None:
        self.ada, self.bob, self.eve, self.post_id = ada, bob, eve, post_id

    @property
    def everybody(self) -> tuple[Mirror, ...]:
        return self.ada, self.bob, self.eve


pytestmark = pytest.mark.asyncio(loop_scope="module")
crowds = itertools.count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory) -> AsyncIterator[Embedded]:
    api_port, realtime_port = free_ports(2)
    folder = tmp_path_factory.mktemp("live") / "var"
    async with Embedded(folder, api_port=api_port, realtime_port=realtime_port) as embedded:
        yield embedded


@pytest_asyncio.fixture(loop_scope="module")
async def stage(system) -> AsyncIterator[Stage]:
    async with door_to(system.api_url) as door:
        crowd = next(crowds)
        ada, bob, eve = [await door.register(f"{name}_{crowd}") for name in ("ada", "bob", "eve")]
        await bob.follow(ada)
        await eve.follow(ada)
        post = await ada.publish("hello")
        await bob.like(post)
        await bob.comment(post, "first")

        async def settled():
            assert len(await ada.notifications()) == 3  # follows, like, comment
            seen = await eve.see(post)
            assert (seen.likes, seen.comments) == (1, 1)
            assert [len((await each.feed()).items) for each in (bob, eve)] == [1, 1]
            assert (await ada.me()).followers == 2
            assert (await eve.me()).following == 1

        await eventually(settled)
        mirrors = [Mirror(each, door, system.realtime_url) for each in (ada, bob, eve)]
        for mirror in mirrors:
            await mirror.connect()
        yield Stage(*mirrors, post.id)
        for mirror in mirrors:
            await mirror.close()


Verb = Callable[[Stage], Awaitable[object]]


async def publish(stage):
    await stage.ada.person.publish("news")


async def publish_over_the_socket(stage):
    await stage.ada.send("post.create", {"text": "news"})


async def publish_a_picture_over_the_socket(stage):
    ref = await uploaded(stage.ada.person, alt="a wall")
    shown = await stage.ada.send("post.create", {"text": "", "media": [ref.id]})
    assert [each["alt"] for each in shown["media"]] == ["a wall"]


async def edit_a_post(stage):
    await stage.ada.person.ask("PATCH", f"/v1/posts/{stage.post_id}", {"text": "hello #again"})


async def edit_a_post_over_the_socket(stage):
    await stage.ada.send("post.edit", {"post_id": stage.post_id, "text": "hello @nobody", "rev": 0})


async def repost(stage):
    await stage.eve.person.ask("PUT", f"/v1/posts/{stage.post_id}/repost")


async def repost_over_the_socket(stage):
    await stage.eve.send("post.repost", {"post_id": stage.post_id, "idempotency_key": "x"})


async def unrepost(stage):
    await repost(stage)

    async def counted():  # else both may be counted at once, which leaves no trace but a version
        assert (await stage.ada.snapshot())["posts"][stage.post_id]["reposts"] == 1

    await eventually(counted)
    await stage.eve.person.ask("DELETE", f"/v1/posts/{stage.post_id}/repost")


async def unrepost_over_the_socket(stage):
    await repost_over_the_socket(stage)
    await stage.eve.send("post.unrepost", {"post_id": stage.post_id})


async def bookmark_over_the_socket(stage):
    await stage.bob.send("post.bookmark", {"post_id": stage.post_id})


async def unbookmark_over_the_socket(stage):
    await bookmark_over_the_socket(stage)
    await stage.bob.send("post.unbookmark", {"post_id": stage.post_id})


async def publish_for_followers(stage):
    message = {"text": "for you", "visibility": "followers"}
    await stage.ada.send("post.create", message)


async def delete_a_post_over_the_socket(stage):
    await stage.ada.send("post.delete", {"post_id": stage.post_id})


async def delete_a_post(stage):
    assert (await stage.ada.person.ask("DELETE", f"/v1/posts/{stage.post_id}")).status == 204


async def like(stage):
    await stage.eve.person.ask("PUT", f"/v1/posts/{stage.post_id}/like")


async def like_over_the_socket(stage):
    await stage.eve.send("post.like", {"post_id": stage.post_id})


async def unlike(stage):
    await stage.bob.person.ask("DELETE", f"/v1/posts/{stage.post_id}/like")


async def unlike_over_the_socket(stage):
    await stage.bob.send("post.unlike", {"post_id": stage.post_id})


async def comment(stage):
    await stage.eve.person.ask("POST", f"/v1/posts/{stage.post_id}/comments", {"text": "me too"})


async def comment_over_the_socket(stage):
    await stage.eve.send("comment.create", {"post_id": stage.post_id, "text": "me too"})


def first(stage):
    """Bob's comment, as Ada sees it."""
    (comment,) = stage.ada.state["comments"][stage.post_id].values()
    return comment


async def reply(stage):
    body = {"text": "and me", "parent_id": first(stage)["id"]}
    assert (await stage.eve.person.ask("POST", f"/v1/posts/{stage.post_id}/comments", body)).status == 201


async def reply_over_the_socket(stage):
    said = {"post_id": stage.post_id, "text": "and me", "parent_id": first(stage)["id"]}
    await stage.eve.send("comment.create", said)


async def edit_a_comment(stage):
    path = f"/v1/comments/{first(stage)['id']}"
    assert (await stage.bob.person.ask("PATCH", path, {"text": "edited, #really"})).status == 200


async def edit_a_comment_over_the_socket(stage):
    await stage.bob.send("comment.edit", {"comment_id": first(stage)["id"], "text": "edited", "rev": 0})


async def delete_a_comment_and_its_replies(stage):
    comment = first(stage)
    await reply(stage)
    await stage.ada.received("comment.stats")
    assert (await stage.ada.person.ask("DELETE", f"/v1/comments/{comment['id']}")).status == 204


async def delete_a_comment_over_the_socket(stage):
    message = {"comment_id": first(stage)["id"], "idempotency_key": f"gone-{stage.post_id}"}
    for _ in range(2):  # a repeated request gets an equal answer
        await stage.bob.send("comment.delete", message)


async def like_a_comment(stage):
    assert (await stage.eve.person.ask("PUT", f"/v1/comments/{first(stage)['id']}/like")).status == 200


async def like_a_comment_over_the_socket(stage):
    state = await stage.eve.send("comment.like", {"comment_id": first(stage)["id"]})
    assert (state["comment_id"], state["liked"]) == (first(stage)["id"], True)


async def unlike_a_comment(stage):
    comment = first(stage)
    await like_a_comment(stage)
    await stage.ada.received("comment.stats")
    await stage.eve.send("comment.unlike", {"comment_id": comment["id"]})


async def follow(stage):
    await stage.ada.person.follow(stage.bob.person)


async def follow_over_the_socket(stage):
    await stage.ada.send("user.follow", {"username": stage.bob.person.username})


async def unfollow(stage):
    await stage.eve.person.unfollow(stage.ada.person)


async def unfollow_over_the_socket(stage):
    await stage.eve.send("user.unfollow", {"username": stage.ada.person.username})


async def read_some(stage):
    first = stage.ada.state["order"][0]
    await stage.ada.person.ask("POST", "/v1/notifications/read", {"ids": [first]})


async def read_all_over_the_socket(stage):
    await stage.ada.send("notifications.read", {"all_until": "2100-01-01T00:00:00Z"})


async def block(stage):
    await stage.ada.person.block(stage.bob.person)


async def mute(stage):
    await stage.eve.person.mute(stage.ada.person)


async def remove_a_follower(stage):
    assert (await stage.ada.person.ask("DELETE", f"/v1/users/me/followers/{stage.eve.person.username}")).status == 200


async def ask_to_follow(stage):
    await stage.bob.person.edit(private=True)
    await stage.ada.person.follow(stage.bob.person)


async def refuse_a_request(stage):
    await ask_to_follow(stage)
    await stage.bob.received("notification")
    await stage.bob.person.refuse(stage.ada.person)


async def accept_a_request(stage):
    await ask_to_follow(stage)
    await stage.bob.received("notification")
    await stage.bob.person.accept(stage.ada.person)


def _first(fresh, stage, field):
    """Return a field of Bob's comment, which is the oldest."""
    comments = fresh["comments"][stage.post_id]
    return comments[min(comments)][field]


# Each verb, and a check that its effect has arrived in a fresh snapshot of a person.
CASES: list[tuple[Verb, str, Callable[[dict, Stage], bool]]] = [
    (publish, "eve", lambda fresh, _: len(fresh["feed"]) == 2),
    (publish_over_the_socket, "bob", lambda fresh, _: len(fresh["feed"]) == 2),
    (publish_a_picture_over_the_socket, "bob", lambda fresh, _: len(fresh["feed"]) == 2),
    (publish_for_followers, "bob", lambda fresh, _: len(fresh["feed"]) == 2),
    (edit_a_post, "bob", lambda fresh, stage: fresh["posts"][stage.post_id]["text"] == "hello #again"),
    (edit_a_post_over_the_socket, "eve", lambda fresh, stage: fresh["posts"][stage.post_id]["rev"] == 1),
    (repost, "ada", lambda fresh, stage: fresh["posts"][stage.post_id]["reposts"] == 1),
    (repost_over_the_socket, "ada", lambda fresh, stage: fresh["posts"][stage.post_id]["reposts"] == 1),
    (unrepost, "ada", lambda fresh, stage: fresh["posts"][stage.post_id]["reposts"] == 0),
    (unrepost_over_the_socket, "ada", lambda fresh, stage: fresh["posts"][stage.post_id]["reposts"] == 0),
    (bookmark_over_the_socket, "bob", lambda fresh, stage: fresh["bookmarks"] == [stage.post_id]),
    (unbookmark_over_the_socket, "bob", lambda fresh, _: fresh["bookmarks"] == []),
    (delete_a_post_over_the_socket, "eve", lambda fresh, _: fresh["feed"] == []),
    (delete_a_post, "ada", lambda fresh, _: fresh["me"]["posts"] == 0 and len(fresh["order"]) == 1),
    (like, "ada", lambda fresh, stage: fresh["posts"][stage.post_id]["likes"] == 2),
    (like_over_the_socket, "ada", lambda fresh, stage: fresh["posts"][stage.post_id]["likes"] == 2),
    (unlike, "eve", lambda fresh, stage: fresh["posts"][stage.post_id]["likes"] == 0),
    (unlike_over_the_socket, "eve", lambda fresh, stage: fresh["posts"][stage.post_id]["likes"] == 0),
    (comment, "bob", lambda fresh, stage: len(fresh["comments"][stage.post_id]) == 2),
    (comment_over_the_socket, "bob", lambda fresh, stage: fresh["posts"][stage.post_id]["comments"] == 2),
    (reply, "bob", lambda fresh, stage: _first(fresh, stage, "replies") == 1),
    (reply_over_the_socket, "eve", lambda fresh, stage: fresh["posts"][stage.post_id]["comments"] == 2),
    (edit_a_comment, "eve", lambda fresh, stage: _first(fresh, stage, "rev") == 1),
    (edit_a_comment_over_the_socket, "ada", lambda fresh, stage: _first(fresh, stage, "text") == "edited"),
    (delete_a_comment_and_its_replies, "eve", lambda fresh, stage: fresh["posts"][stage.post_id]["comments"] == 0),
    (delete_a_comment_over_the_socket, "ada", lambda fresh, stage: fresh["posts"][stage.post_id]["comments"] == 0),
    (like_a_comment, "bob", lambda fresh, stage: _first(fresh, stage, "likes") == 1),
    (like_a_comment_over_the_socket, "ada", lambda fresh, stage: _first(fresh, stage, "likes") == 1),
    (unlike_a_comment, "bob", lambda fresh, stage: _first(fresh, stage, "version") == 2),
    (follow, "bob", lambda fresh, _: fresh["me"]["followers"] == 1 and fresh["unread"] == 1),
    (follow_over_the_socket, "bob", lambda fresh, _: fresh["me"]["followers"] == 1 and fresh["unread"] == 1),
    (unfollow, "eve", lambda fresh, _: fresh["feed"] == [] and fresh["me"]["following"] == 0),
    (unfollow_over_the_socket, "ada", lambda fresh, _: fresh["me"]["followers"] == 1),
    (block, "ada", lambda fresh, _: fresh["me"]["followers"] == 1 and len(fresh["order"]) == 1),
    (mute, "eve", lambda fresh, _: fresh["feed"] == []),
    (remove_a_follower, "ada", lambda fresh, _: fresh["me"]["followers"] == 1),
    (ask_to_follow, "bob", lambda fresh, _: fresh["unread"] == 1),
    (refuse_a_request, "bob", lambda fresh, _: fresh["unread"] == 0),
    (accept_a_request, "ada", lambda fresh, _: fresh["me"]["following"] == 1 and fresh["unread"] == 4),
    (read_some, "ada", lambda fresh, _: fresh["unread"] == 2),
    (read_all_over_the_socket, "ada", lambda fresh, _: fresh["unread"] == 0),
]


@pytest.mark.parametrize(("verb", "whose", "arrived"), CASES, ids=[verb.__name__ for verb, *_ in CASES])
async def test_an_old_snapshot_and_its_events_are_the_fresh_snapshot(stage, verb, whose, arrived):
    await verb(stage)

    async def effective():
        assert arrived(await getattr(stage, whose).snapshot(), stage)

    await eventually(effective)

    async def same():
        for mirror in stage.everybody:
            assert mirror.state == await mirror.snapshot(), (mirror.person, mirror.events)

    await eventually(same)
