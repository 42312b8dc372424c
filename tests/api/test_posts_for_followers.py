"""Posts for followers: people who do not follow the author now cannot find them."""

import pytest
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Person, texts

from social.contracts.posts import Post, Posts

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob, eve = new_person("ada"), new_person("bob"), new_person("eve")


async def whisper(person: Person, text: str) -> Post:
    return (await person.ask("POST", "/v1/posts", {"text": text, "visibility": "followers"})).ok(Post, 201)


async def test_followers_see_it_and_nobody_else(ada: Person, bob: Person, eve: Person) -> None:
    await bob.follow(ada)
    post = await whisper(ada, "only you #t")
    assert (post.visibility, (await bob.see(post)).visibility) == ("followers", "followers")

    async def arrived() -> None:
        assert texts(await bob.feed()) == ["only you #t"]

    await eventually(arrived)
    for path in ("", "/comments", "/history"):
        (await eve.ask("GET", f"/v1/posts/{post.id}{path}")).refused(404, "not_found")
    for what in ("like", "repost", "bookmark"):
        (await eve.ask("PUT", f"/v1/posts/{post.id}/{what}")).refused(404, "not_found")
    (await eve.ask("POST", f"/v1/posts/{post.id}/comments", {"text": "x"})).refused(404, "not_found")
    for path in ("/v1/users/ada/posts", "/v1/hashtags/t/posts"):
        assert texts((await eve.ask("GET", path)).ok(Posts)) == []
        assert texts((await bob.ask("GET", path)).ok(Posts)) == ["only you #t"]


async def test_who_follows_no_longer_sees_it_no_longer(ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    post = await whisper(ada, "only you")
    await bob.ask("PUT", f"/v1/posts/{post.id}/bookmark")
    await bob.unfollow(ada)
    (await bob.ask("GET", f"/v1/posts/{post.id}")).refused(404, "not_found")
    assert texts(await bob.feed()) == []
    assert (await bob.ask("GET", "/v1/bookmarks")).body["items"] == []


@pytest.mark.parametrize("visibility", ["", "private", None, 1, "FOLLOWERS", ["public"]])
async def test_another_visibility_is_refused(ada: Person, visibility: object) -> None:
    answer = await ada.ask("POST", "/v1/posts", {"text": "x", "visibility": visibility})
    assert list(answer.wrong_fields()) == ["/visibility"]
