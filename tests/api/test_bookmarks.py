"""Bookmarks: posts that a person keeps, which nobody else sees."""

from support.people import Person, ids, texts

from social.contracts.posts import BookmarkState, Posts


async def bookmark(person: Person, post_id: str, method: str = "PUT") -> BookmarkState:
    return (await person.ask(method, f"/v1/posts/{post_id}/bookmark")).ok(BookmarkState)


async def bookmarks(person: Person, query: str = "") -> Posts:
    return (await person.ask("GET", f"/v1/bookmarks{query}")).ok(Posts)


async def test_a_bookmark_is_kept_once_and_seen_by_nobody_else(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    for _ in range(2):
        assert (await bookmark(bob, post.id)).bookmarked
    assert (await bob.see(post)).bookmarked
    assert texts(await bookmarks(bob)) == ["hello"]
    assert (await bookmarks(bob)).items == [await bob.see(post)]
    assert not (await ada.see(post)).bookmarked
    assert (await bookmarks(ada)).items == []
    for _ in range(2):
        assert not (await bookmark(bob, post.id, "DELETE")).bookmarked
    assert (await bookmarks(bob)).items == []


async def test_the_last_kept_comes_first_and_pages_join(ada: Person, bob: Person) -> None:
    posts = [await ada.publish(f"{n}") for n in range(7)]
    kept = [posts[n] for n in (3, 0, 6, 2, 5, 1, 4)]
    for post in kept:
        await bookmark(bob, post.id)
    found, page = [], await bookmarks(bob, "?limit=3")
    while True:
        found += ids(page.items)
        if page.next is None:
            break
        page = await bookmarks(bob, f"?limit=3&cursor={page.next}")
    assert found == ids(kept[::-1])


async def test_what_may_not_be_seen_any_more_is_left_out_and_the_page_refilled(
    ada: Person, bob: Person, eve: Person
) -> None:
    of_eve = [await eve.publish(f"eve {n}") for n in range(3)]
    of_ada = [await ada.publish(f"ada {n}") for n in range(4)]
    for post in (of_ada[0], *of_eve, *of_ada[1:]):
        await bookmark(bob, post.id)
    await ada.delete(of_ada[1])
    await eve.block(bob)
    assert texts(await bookmarks(bob, "?limit=3")) == ["ada 3", "ada 2", "ada 0"]
    assert not (await bookmark(bob, of_eve[0].id, "DELETE")).bookmarked
    (await bob.ask("DELETE", f"/v1/posts/{of_eve[0].id}/bookmark")).refused(404, "not_found")
    await eve.unblock(bob)
    assert len((await bookmarks(bob)).items) == 5


async def test_a_deleted_post_is_not_kept(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await bookmark(bob, post.id)
    await ada.delete(post)
    (await bob.ask("PUT", f"/v1/posts/{post.id}/bookmark")).refused(404, "not_found")
    assert (await bookmarks(bob)).items == []
    assert not (await bookmark(bob, post.id, "DELETE")).bookmarked
    (await bob.ask("DELETE", f"/v1/posts/{post.id}/bookmark")).refused(404, "not_found")


async def test_a_cursor_of_another_list_is_refused(ada: Person) -> None:
    for n in range(2):
        await bookmark(ada, (await ada.publish(f"{n}")).id)
    cursor = (await ada.feed("?limit=1")).next
    assert cursor
    for wrong in (cursor, "x", "WzEsMl0"):
        answer = await ada.ask("GET", f"/v1/bookmarks?cursor={wrong}")
        assert answer.wrong_fields() == {"?cursor": "cursor"}
