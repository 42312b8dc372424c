"""Conditional requests: unchanged answers are not sent again, and no edit overwrites an unseen edit."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.eventually import eventually
from support.people import Answer, Door, Person
from support.site import Site, system

from api import users
from api.conditional import Tag, entity_tag, tags
from api.request import Request
from api.routing import Service
from social.contracts.base import ClientInput, Contract
from social.contracts.codec import encode
from social.infra.store.mongo import Transaction
from social.infra.store.revisions import WHATEVER, Expected

routes = Service("users", "Routes of this test: something that is edited")


class Motto(Contract):
    """A motto with the number of its likes and its revision."""

    id: str
    rev: int
    motto: str
    likes: int


class NewMotto(ClientInput):
    """An edit."""

    motto: str


async def edit(tx: Transaction, motto: str, *, by: str, expected: Expected = WHATEVER) -> Motto:
    """Change your motto."""
    user = await tx.one("users", {"_id": by}) or {}
    rev = user.get("rev", 0)
    expected.check(by, rev)
    await asyncio.sleep(0.02)  # so that other edits read this state before it is written
    tx.update("users", {"_id": by, "rev": user.get("rev")}, {"$set": {"motto": motto, "rev": rev + 1}})
    return Motto(id=by, rev=rev + 1, motto=motto, likes=user.get("likes", 0))


@routes.get("/v1/motto")
async def get_motto(request: Request) -> Motto:
    """Return your motto."""
    user = await request.plaza.mongo.one("users", {"_id": request.user_id}) or {}
    return Motto(id=request.user_id, rev=user.get("rev", 0), motto=user.get("motto", ""), likes=user.get("likes", 0))


@routes.patch("/v1/motto", if_match=True)
async def edit_motto(request: Request, body: NewMotto) -> Motto:
    """Edit your motto."""
    return await request.plaza.commit(edit, body.motto, by=request.user_id, expected=request.expected)


@pytest.fixture
async def site(mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(users.service, "routes", [*users.service.routes, *routes.routes])
    async with system(mongo_url, mongo_database) as running:
        yield running


async def get(person: Person, path: str, tag: str | None = None, method: str = "GET") -> Answer:
    return await person.ask(method, path, headers={"If-None-Match": tag} if tag else None)


async def test_what_the_client_has_is_not_sent_again(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")

    async def counted() -> None:
        assert (await get(bob, "/v1/users/ada")).body["posts"] == 1

    await eventually(counted)
    for path in ("/v1/users/me", "/v1/users/ada", f"/v1/posts/{post.id}", "/v1/feed", "/v1/motto"):
        first = await get(bob, path)
        tag = first.headers["ETag"]
        for sent in (tag, f"W/{tag}", f'"x", {tag}', f'"a,b",W/"c" , {tag},', "*", tag[:-1] + '-gzip"'):
            again = await get(bob, path, sent)
            assert (again.status, again.raw, again.headers["ETag"]) == (304, b"", tag), (path, sent)
            assert "Content-Type" not in again.headers
            head = await get(bob, path, sent, "HEAD")
            assert (head.status, head.headers["ETag"]) == (304, tag)
        for other in ('"x"', "", "garbage", tag.strip('"'), f"{tag} {tag}", f'"{tag}', "W/", "*,*"):
            assert (await get(bob, path, other)).raw == first.raw, (path, other)


async def test_whatever_is_seen_to_change_changes_the_tag(ada: Person, bob: Person, site: Site) -> None:
    post = await ada.publish("hello")
    path = f"/v1/posts/{post.id}"
    tag = (await get(bob, path)).headers["ETag"]
    await bob.like(post)
    changed = await get(bob, path, tag)
    assert (changed.status, changed.body["liked"]) == (200, True)
    assert changed.headers["ETag"] != tag


async def test_two_people_share_no_tag_where_they_see_different_things(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    path = f"/v1/posts/{post.id}"
    of_bob = await get(bob, path)
    of_ada = await get(ada, path, of_bob.headers["ETag"])
    assert (of_ada.status, of_ada.body["liked"]) == (200, False)
    for answer in (of_bob, of_ada):
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "Authorization" in answer.headers["Vary"]


async def test_a_304_is_only_for_people_who_may_see_the_post(ada: Person, door: Door) -> None:
    post = await ada.publish("hello")
    path = f"/v1/posts/{post.id}"
    tag = (await get(ada, path)).headers["ETag"]
    (await door.ask("GET", path, headers={"If-None-Match": tag})).refused(401, "invalid_token")
    await ada.delete(post)
    (await get(ada, path, tag)).refused(404, "not_found")
    (await get(ada, path, "*")).refused(404, "not_found")


async def change(person: Person, motto: str, tag: str | None) -> Answer:
    return await person.ask("PATCH", "/v1/motto", {"motto": motto}, headers={"If-Match": tag} if tag else None)


async def test_an_edit_of_what_was_seen_is_done_and_one_of_what_is_no_more_is_refused(ada: Person) -> None:
    seen = (await get(ada, "/v1/motto")).headers["ETag"]
    done = await change(ada, "carpe diem", seen)
    assert done.ok(Motto).rev == 1
    assert done.headers["ETag"] == (await get(ada, "/v1/motto")).headers["ETag"] != seen
    (await change(ada, "memento mori", seen)).refused(412, "precondition_failed")
    assert (await get(ada, "/v1/motto")).body["motto"] == "carpe diem"
    assert (await change(ada, "memento mori", f'"x", {done.headers["ETag"]}')).ok(Motto).motto == "memento mori"


async def test_without_a_condition_the_last_edit_wins(ada: Person) -> None:
    for condition in (None, "*"):
        assert (await change(ada, f"{condition}", condition)).ok(Motto).motto == f"{condition}"


async def test_a_condition_that_names_no_revision_is_never_met(ada: Person, bob: Person) -> None:
    tag = (await get(ada, "/v1/motto")).headers["ETag"]
    others = (await get(bob, "/v1/motto")).headers["ETag"]
    post = (await get(bob, "/v1/users/ada")).headers["ETag"]
    wrong = [f"W/{tag}", tag.strip('"'), '"x"', "", "garbage", others, f'"{ada.id}.1.x"', f'"{ada.id}.x.x"', f'"{tag}']
    for condition in (*wrong, "*, *", f'"{ada.id}.{"9" * 99}.x"'):
        (await change(ada, "mine", condition or ",")).refused(412, "precondition_failed")
    assert (await get(ada, "/v1/motto", tag)).status == 304, post


async def test_likes_that_arrive_meanwhile_do_not_stop_an_edit(ada: Person, site: Site) -> None:
    tag = (await get(ada, "/v1/motto")).headers["ETag"]
    await site.plaza.mongo.update("users", {"_id": ada.id}, {"$inc": {"likes": 1}})
    assert (await get(ada, "/v1/motto", tag)).status == 200
    assert (await change(ada, "liked", tag)).ok(Motto).likes == 1


async def test_of_many_edits_of_the_same_state_at_once_one_is_done(ada: Person) -> None:
    """The check is in the transaction: between reading and writing there is no gap to slip through."""
    tag = (await get(ada, "/v1/motto")).headers["ETag"]
    answers = await asyncio.gather(*(change(ada, str(n), tag) for n in range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7
    assert (await get(ada, "/v1/motto")).body["rev"] == 1


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], []),
        (['"a"'], [Tag("a", False)]),
        (['W/"a"', '"b"'], [Tag("a", True), Tag("b", False)]),
        ([' , "a,b" ,,"", '], [Tag("a,b", False), Tag("", False)]),
        (['"\\"'], [Tag("\\", False)]),
        (['"a" "b"'], None),
        (["a"], None),
        (['w/"a"'], None),
        (['"a'], None),
        (['"a b"'], None),
        (['"' * 8_001], None),
    ],
)
def test_a_list_of_tags_is_read_by_the_letter(values: list[str], found: list[Tag] | None) -> None:
    assert tags(values) == found


def test_the_same_bytes_have_the_same_tag_and_others_another() -> None:
    motto = Motto(id="0" * 24, rev=3, motto="x", likes=0)
    assert entity_tag(encode(motto), motto).startswith(f'"{"0" * 24}.3.')
    assert entity_tag(b"{}") == entity_tag(b"{}") != entity_tag(b"{ }")
