"""Writing posts over the socket: the verbs and refusals of REST, and once under an idempotency key."""

import pytest


async def refused(wire, event, message):
    answer = await wire.ask(event, message)
    assert not answer["ok"], answer
    return answer["problem"]["code"]


async def said(wire, event, message):
    answer = await wire.ask(event, message)
    assert answer["ok"], answer
    return answer["data"]


async def test_a_post_is_edited_by_its_author_of_what_they_saw(world, gateway, ada, bob):
    hers, his = await ada.connect(gateway), await bob.connect(gateway)
    post = await said(hers, "post.create", {"text": "hello #one"})
    edited = await said(hers, "post.edit", {"post_id": post["id"], "text": "hello #two", "rev": 0})
    assert (edited["text"], edited["rev"], [each["key"] for each in edited["entities"]]) == ("hello #two", 1, ["two"])
    assert await refused(hers, "post.edit", {"post_id": post["id"], "text": "late", "rev": 0}) == "precondition_failed"
    assert await refused(his, "post.edit", {"post_id": post["id"], "text": "mine"}) == "forbidden"
    assert await refused(his, "post.delete", {"post_id": post["id"]}) == "forbidden"
    assert (await said(hers, "post.edit", {"post_id": post["id"], "text": "anyway"}))["rev"] == 2


async def test_a_repost_and_a_bookmark_answer_their_state_however_often(world, gateway, ada, bob):
    post, wire = await ada.publish(), await bob.connect(gateway)
    for event, name, value in (
        ("post.repost", "reposted", True),
        ("post.bookmark", "bookmarked", True),
        ("post.unrepost", "reposted", False),
        ("post.unbookmark", "bookmarked", False),
    ):
        for _ in range(2):
            assert (await said(wire, event, {"post_id": post}))[name] is value


async def test_a_deleted_post_takes_nothing_more(world, gateway, ada, bob):
    post, hers, his = await ada.publish(), await ada.connect(gateway), await bob.connect(gateway)
    assert await said(hers, "post.delete", {"post_id": post}) is None
    for event in ("post.repost", "post.unrepost", "post.bookmark", "post.unbookmark", "post.like", "post.delete"):
        assert await refused(his, event, {"post_id": post}) == "not_found", event
    assert await refused(hers, "post.edit", {"post_id": post, "text": "x"}) == "not_found"


async def test_a_write_under_a_key_happens_once(world, gateway, ada):
    wire = await ada.connect(gateway)
    first = await said(wire, "post.create", {"text": "hello", "idempotency_key": "a"})
    assert await said(wire, "post.create", {"text": "hello", "idempotency_key": "a"}) == first
    edit = {"post_id": first["id"], "text": "hello!", "rev": 0, "idempotency_key": "b"}
    assert await said(wire, "post.edit", edit) == await said(wire, "post.edit", edit)
    assert await refused(wire, "post.edit", {**edit, "text": "other"}) == "idempotency_mismatch"
    for _ in range(2):
        assert await said(wire, "post.delete", {"post_id": first["id"], "idempotency_key": "c"}) is None


@pytest.mark.parametrize("event", ["edit", "delete", "repost", "unrepost", "bookmark", "unbookmark"])
async def test_a_message_that_is_none_is_refused(world, gateway, ada, event):
    wire = await ada.connect(gateway)
    for message in ({}, {"post_id": "x"}, {"post_id": None}, {"post_id": {"$ne": None}}, {"post_id": "0" * 24, "x": 1}):
        assert await refused(wire, f"post.{event}", message) == "validation_failed", message
