"""Replies, their counts and orders, and their deletion with a comment."""

from datetime import timedelta

import pytest
from support.eventually import eventually
from support.people import Person, texts
from support.site import Site

from social.posts import comments, orphans


async def test_a_reply_stands_under_its_comment_and_counts_there_and_on_the_post(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    first, other = await bob.comment(post, "first"), await bob.comment(post, "other")
    one, two = await ada.reply(first, "one"), await bob.reply(first, "two")
    assert (one.parent_id, one.post_id) == (first.id, post.id)
    assert texts(await ada.comments(post)) == ["other", "first"]
    assert texts(await ada.replies(first)) == ["one", "two"]
    assert texts(await ada.replies(first, "?sort=newest")) == ["two", "one"]
    assert (await ada.replies(other)).items == []
    assert await ada.read_comment(two) == two

    async def counted() -> None:
        assert ((await ada.see(post)).comments, (await ada.read_comment(first)).replies) == (4, 2)

    await eventually(counted)


async def test_a_reply_to_a_reply_is_refused_and_so_is_one_to_what_is_not_there(ada: Person, bob: Person) -> None:
    post, other = await ada.publish("hello"), await ada.publish("other")
    comment = await bob.comment(post, "first")
    reply = await ada.reply(comment, "yes")
    path = f"/v1/posts/{post.id}/comments"
    answer = await bob.ask("POST", path, {"text": "no", "parent_id": reply.id})
    assert answer.wrong_fields() == {"/parent_id": "reply"}
    for parent_id in ("0" * 24, post.id, (await bob.comment(other, "elsewhere")).id):
        (await bob.ask("POST", path, {"text": "no", "parent_id": parent_id})).refused(404, "not_found")
    for parent_id in ("x", "", 7, {"$ne": None}, ["x"]):
        wrong = (await bob.ask("POST", path, {"text": "no", "parent_id": parent_id})).wrong_fields()
        assert set(wrong) == {"/parent_id"}
    assert texts(await ada.comments(post)) == ["first"]


async def test_comments_are_sorted_as_asked_page_by_page(ada: Person, bob: Person, eve: Person) -> None:
    post = await ada.publish("hello")
    said = [await bob.comment(post, str(n)) for n in range(5)]
    for person, liked in ((ada, (1, 3)), (bob, (3,)), (eve, (3, 0))):
        for n in liked:
            await person.like_comment(said[n])

    async def counted() -> None:
        assert [each.likes for each in (await ada.comments(post, "?sort=oldest")).items] == [1, 1, 0, 3, 0]

    await eventually(counted)
    orders = {"oldest": "01234", "newest": "43210", "top": "31042", None: "43210"}
    for sort, order in orders.items():
        query = f"&sort={sort}" if sort else ""
        first = await ada.comments(post, "?limit=2" + query)
        second = await ada.comments(post, f"?limit=2&cursor={first.next}{query}")
        third = await ada.comments(post, f"?limit=2&cursor={second.next}{query}")
        assert ["".join(texts(each)) for each in (first, second, third)] == [order[:2], order[2:4], order[4:]], sort
        assert third.next is None
        assert await ada.comments(post, f"?limit=2&cursor={third.prev}{query}") == second.model_copy(
            update={"next": second.next}
        )
    wrong = (await ada.ask("GET", f"/v1/posts/{post.id}/comments?sort=worst")).wrong_fields()
    assert wrong == {"?sort": "literal_error"}


async def test_a_cursor_of_another_order_or_list_is_refused(ada: Person) -> None:
    post = await ada.publish("hello")
    comment = await ada.comment(post, "first")
    await ada.reply(comment, "yes")
    await ada.like(post)
    await ada.like_comment(comment)
    under, below = f"/v1/posts/{post.id}/comments", f"/v1/comments/{comment.id}/replies"
    lists = [f"{path}?sort={sort}" for path in (under, below) for sort in ("oldest", "newest", "top")]
    lists += [f"/v1/posts/{post.id}/likes?limit=1", f"/v1/comments/{comment.id}/likes?limit=1"]
    cursors = {path: (await ada.ask("GET", path)).body["prev"] for path in lists}
    for path in lists:
        for of, cursor in cursors.items():
            answer = await ada.ask("GET", f"{path}&cursor={cursor}")
            assert answer.status == (200 if of == path else 422), (path, of)


@pytest.mark.usefixtures("quick_sweeps")
async def test_a_deleted_comment_takes_its_replies_along(
    site: Site, ada: Person, bob: Person, eve: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first few are deleted at once, the others soon."""
    monkeypatch.setattr(comments, "REPLIES_AT_ONCE", 2)
    monkeypatch.setattr(orphans, "SETTLES", timedelta())
    post = await ada.publish("hello")
    comment, stays = await bob.comment(post, "first"), await bob.comment(post, "stays")
    replies = [await eve.reply(comment, str(n)) for n in range(5)]
    await ada.like_comment(replies[0])
    await ada.like_comment(stays)
    await bob.delete_comment(comment)
    (await ada.ask("GET", f"/v1/comments/{comment.id}")).refused(404, "not_found")
    (await ada.ask("GET", f"/v1/comments/{comment.id}/replies")).refused(404, "not_found")

    async def gone() -> None:
        rows = await site.plaza.mongo.many("comments", {}, fields={"_id": 1})
        assert [row["_id"] for row in rows] == [stays.id]
        assert (await ada.see(post)).comments == 1
        likes = await site.plaza.mongo.many("comment_likes", {})
        assert [each["comment_id"] for each in likes] == [stays.id]
        assert await site.plaza.mongo.many("deletions", {}) == []

    await eventually(gone)


async def test_a_walk_of_single_comments_sees_all_and_ends(ada: Person) -> None:
    post = await ada.publish("hello")
    for n in range(30):
        await ada.comment(post, str(n))
    seen, cursor = [], ""
    while True:
        page = await ada.comments(post, f"?limit=1&sort=oldest{cursor}")
        seen += texts(page)
        if page.next is None:
            break
        cursor = f"&cursor={page.next}"
    assert seen == [str(n) for n in range(30)]
