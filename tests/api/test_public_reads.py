"""Reads without a login, where the operator allows them: public posts, profiles and comments, and nothing else."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support.commands import Commands, recording
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Answer, Door, Person
from support.site import Site, serving

from social.accounts import lifecycle
from social.contracts.comments import CommentPublic
from social.contracts.people import ProfilePublic
from social.contracts.posts import Post, PostPublic
from social.infra.process.admission import SHARES, Priority

pytestmark = one_loop
site, door = one_site(public_reads="on"), one_door()
ada, bob = new_person("ada"), new_person("bob")

PAIRS = {"edges", "interactions", "comment_likes"}  # whose ids are those of two people, or of a thing and a person


@pytest.fixture(scope="module", autouse=True)
def commands() -> Iterator[Commands]:
    """Record the commands of the site, which connects after this."""
    with recording() as recorded:
        yield recorded


async def read(door: Door, path: str, **more: Any) -> Answer:
    return await door.ask("GET", f"/v1/public/{path}", **more)


async def everything(door: Door, author: Person, post_id: str, comment_id: str) -> list[int]:
    paths = (
        f"posts/{post_id}",
        f"posts/{post_id}/comments",
        f"comments/{comment_id}",
        f"comments/{comment_id}/replies",
    )
    of_author = (f"users/{author.username}", f"users/{author.username}/posts")
    return [(await read(door, path)).status for path in (*paths, *of_author)]


async def test_anybody_reads_what_is_public_and_nothing_in_it_depends_on_a_viewer(
    door: Door, ada: Person, bob: Person
) -> None:
    post = await ada.publish(f"hello @{bob.username} #plaza")
    comment = await bob.comment(post, f"well said @{ada.username}")
    reply = await ada.reply(comment, "thank you")
    await ada.like(post)
    seen = await read(door, f"posts/{post.id}")
    assert set(seen.body) == set(PostPublic.model_fields)
    assert [each["user_id"] for each in seen.body["entities"]] == [None, None]
    profile = await read(door, f"users/{ada.username}")
    assert set(profile.body) == set(ProfilePublic.model_fields)
    for path, found in (
        (f"users/{ada.username}/posts", [post.id]),
        (f"posts/{post.id}/comments", [comment.id]),
        (f"comments/{comment.id}/replies", [reply.id]),
    ):
        items = (await read(door, path)).body["items"]
        assert [each["id"] for each in items] == found
        assert all(set(each) in (set(PostPublic.model_fields), set(CommentPublic.model_fields)) for each in items)
    assert set((await read(door, f"comments/{comment.id}")).body) == set(CommentPublic.model_fields)


async def test_nothing_is_looked_up_about_a_reader_who_is_nobody(
    commands: Commands, door: Door, ada: Person, bob: Person
) -> None:
    post = await ada.publish(f"hello @{bob.username}")
    comment = await bob.comment(post, f"well said @{ada.username}")
    await ada.reply(comment, "thank you")
    commands.sent.clear()
    assert await everything(door, ada, post.id, comment.id) == [200] * 6
    found = [
        (each.collection, where) for _, each in list(commands.sent) if each.name == "find" for where in each.filters()
    ]
    assert {"posts", "comments"} <= {collection for collection, _ in found}
    assert [each for each in found if each[0] in PAIRS and any(len(pair) < 48 for pair in asked_ids(each[1]))] == []


def asked_ids(where: Mapping[str, Any]) -> list[str]:
    """Return the ids that a filter asks for."""
    asked = where.get("_id", [])
    return [asked] if isinstance(asked, str) else asked.get("$in", []) if isinstance(asked, Mapping) else asked


async def test_posts_for_followers_are_not_there(door: Door, ada: Person) -> None:
    body = {"text": "for friends", "visibility": "followers"}
    hidden = (await ada.ask("POST", "/v1/posts", body)).ok(Post, 201)
    shown = await ada.publish("for all")
    (await read(door, f"posts/{hidden.id}")).refused(404, "not_found")
    (await read(door, f"posts/{hidden.id}/comments")).refused(404, "not_found")
    items = (await read(door, f"users/{ada.username}/posts")).body["items"]
    assert [each["id"] for each in items] == [shown.id]


async def test_nothing_of_a_private_account_is_there_not_even_its_comments(
    door: Door, ada: Person, bob: Person
) -> None:
    post, theirs = await ada.publish("hello"), await bob.publish("hello too")
    comment, open_comment = await bob.comment(post, "first"), await ada.comment(post, "second")
    reply = await ada.reply(comment, "an answer")
    await bob.edit(private=True)
    assert await everything(door, bob, theirs.id, comment.id) == [404] * 6
    items = (await read(door, f"posts/{post.id}/comments")).body["items"]
    assert [each["id"] for each in items] == [open_comment.id]
    (await read(door, f"comments/{reply.id}")).refused(404, "not_found")  # goes with the comment that it answers
    assert (await bob.ask("GET", f"/v1/comments/{reply.id}")).status == 200


@pytest.mark.parametrize("how", ["suspended", "deleted"])
async def test_nothing_of_people_who_are_gone_is_there(site: Site, ada: Person, bob: Person, how: str) -> None:
    post, theirs = await ada.publish("hello"), await bob.publish("hello too")
    comment = await bob.comment(post, "first")
    assert await everything(site.door, bob, theirs.id, comment.id) == [200] * 6
    if how == "suspended":
        await lifecycle.suspend(site.plaza.mongo, bob.username, None)
    else:
        assert (await bob.ask("DELETE", "/v1/users/me", {"password": bob.password})).status == 204

    async def gone() -> None:
        assert await everything(site.door, bob, theirs.id, comment.id) == [404] * 6
        assert (await read(site.door, f"posts/{post.id}/comments")).body["items"] == []

    await eventually(gone)


async def test_shared_caches_may_keep_an_answer_and_not_one_to_a_token(door: Door, ada: Person) -> None:
    post = await ada.publish("hello")
    answer = await read(door, f"posts/{post.id}")
    assert answer.headers["Cache-Control"] == "public, max-age=30"
    assert answer.headers["Vary"] == "Accept-Encoding, Origin"
    with_token = await ada.ask("GET", f"/v1/public/posts/{post.id}")
    assert (with_token.raw, with_token.headers["ETag"]) == (answer.raw, answer.headers["ETag"])
    again = await read(door, f"posts/{post.id}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.headers["Cache-Control"]) == (304, "public, max-age=30")
    own = await ada.ask("GET", f"/v1/posts/{post.id}")
    assert (own.headers["Cache-Control"], own.headers["Vary"].split(", ")[0]) == ("private, no-cache", "Authorization")
    missing = await read(door, f"posts/{'0' * 24}")
    assert missing.headers["Cache-Control"] == "no-store"


async def test_pages_are_walked_without_a_login_and_by_no_other_cursor(door: Door, ada: Person) -> None:
    posts = [await ada.publish(f"post {number}") for number in range(3)]
    first = (await read(door, f"users/{ada.username}/posts?limit=2")).body
    rest = (await read(door, f"users/{ada.username}/posts?limit=2&cursor={first['next']}")).body
    assert [each["id"] for each in first["items"] + rest["items"]] == [each.id for each in reversed(posts)]
    taken = await ada.ask("GET", f"/v1/users/{ada.username}/posts?limit=2&cursor={first['next']}")
    assert taken.status == 422


async def test_an_address_reads_so_often_and_its_logins_are_counted_apart(site: Site, ada: Person) -> None:
    post = await ada.publish("hello")
    settings = {"public_reads": "on", "rate_public": "2/3600", "media_url": f"file:{site.pictures}"}
    address = {"X-Forwarded-For": "203.0.113.7"}  # from which no other test reads
    async with serving(site.plaza, site.keys, trusted_proxies="127.0.0.0/8", **settings) as door:
        reads = [(await read(door, f"posts/{post.id}", headers=address)).status for _ in range(3)]
        assert reads == [200, 200, 429]
        login = {"username": ada.username, "password": ada.password}
        assert (await door.ask("POST", "/v1/auth/login", login, headers=address)).status == 200
        assert (await door.ask("GET", f"/v1/posts/{post.id}", headers=address)).status == 401


async def test_whatever_is_not_public_still_needs_a_login(door: Door, ada: Person) -> None:
    post = await ada.publish("hello")
    for path in (f"posts/{post.id}", f"users/{ada.username}", f"posts/{post.id}/likes", "feed", "search?q=hello"):
        (await door.ask("GET", f"/v1/{path}")).refused(401, "invalid_token")


async def test_under_overload_people_without_a_login_wait_first() -> None:
    assert SHARES[Priority.PUBLIC] == min(SHARES) < SHARES[Priority.BULK]
