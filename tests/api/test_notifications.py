"""Reading notifications."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Person, ids

from social.contracts.notifications import Notifications, Preferences, Unread
from social.infra import clock

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob, eve = new_person("ada"), new_person("bob"), new_person("eve")


async def notified(person: Person, count: int) -> list[Any]:
    """Wait for so many groups and return them."""

    async def look() -> list[Any]:
        found = await person.notifications()
        assert len(found) == count
        return found

    return await eventually(look)


async def test_a_like_a_comment_and_a_follow_notify(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    comment = await bob.comment(post, "nice")
    await bob.follow(ada)
    found = {each.type: each for each in await notified(ada, 3)}
    assert {(each.type, each.target.kind, each.target.id, each.post_id) for each in found.values()} == {
        ("like", "post", post.id, post.id),
        ("comment", "post", comment.post_id, post.id),
        ("follow", "user", ada.id, None),
    }
    for each in found.values():
        assert [actor.username for actor in each.actors] == ["bob"]
        assert (each.count, each.rev, each.read_at) == (1, 1, None)
    assert await ada.unread() == 3
    assert await bob.notifications() == []


async def test_what_was_read_stays_in_the_list_and_out_of_the_count(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    await bob.follow(ada)
    like, follow = sorted(await notified(ada, 2), key=lambda each: each.type, reverse=True)
    assert await ada.read(like) == 1
    assert await ada.unread() == 1
    read_at = {each.type: each.read_at for each in await ada.notifications()}
    assert read_at["like"] is not None
    assert read_at["follow"] is None
    assert await ada.read(like, follow) == 0


async def test_everything_up_to_a_time_can_be_read_at_once(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    await notified(ada, 1)
    before = (await notified(ada, 1))[0].updated_at
    early = {"all_until": (before - timedelta(seconds=1)).isoformat()}
    assert (await ada.ask("POST", "/v1/notifications/read", early)).ok(Unread).unread == 1
    until = {"all_until": before.isoformat()}
    assert (await ada.ask("POST", "/v1/notifications/read", until)).ok(Unread).unread == 0


async def test_nobody_marks_notifications_of_others_as_read(ada: Person, bob: Person, eve: Person) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    (like,) = await notified(ada, 1)
    assert await eve.read(like) == 0
    assert await ada.unread() == 1
    until = {"all_until": clock.now().isoformat()}
    await eve.ask("POST", "/v1/notifications/read", until)
    assert await ada.unread() == 1


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {""}),
        ({"ids": ["0" * 24], "all_until": "2026-01-01T00:00:00Z"}, {""}),
        ({"ids": []}, {"/ids"}),
        ({"ids": ["0" * 24] * 51}, {"/ids"}),
        ({"ids": ["x", "0" * 24, 7, {"$ne": None}]}, {"/ids/0", "/ids/2", "/ids/3"}),
        ({"all_until": "yesterday"}, {"/all_until"}),
        ({"all_until": "2026-01-01T00:00:00"}, {"/all_until"}),
        ({"all_until": {"$gt": ""}}, {"/all_until"}),
        ({"ids": None, "all_until": None}, {""}),
        ({"all": True}, {"/all"}),
    ],
    ids=lambda value: str(sorted(value)),
)
async def test_what_cannot_be_read_is_refused(ada: Person, body: Any, pointers: set[str]) -> None:
    wrong = (await ada.ask("POST", "/v1/notifications/read", body)).wrong_fields()
    assert pointers <= set(wrong)


@pytest.mark.parametrize(
    "until",
    [
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999-14:00",
        "9999-12-31T23:59:59Z",
        "2200-06-01T12:00:00+05:30",
    ],
)
async def test_the_ends_of_time_are_times(ada: Person, bob: Person, until: str) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    await notified(ada, 1)
    answer = await ada.ask("POST", "/v1/notifications/read", {"all_until": until})
    if answer.status == 422:
        assert set(answer.wrong_fields()) == {"/all_until"}
    else:
        assert answer.ok(Unread).unread == (1 if until.startswith("0001") else 0)


TYPES = ("like", "comment", "reply", "mention", "follow", "follow_request", "follow_accepted", "repost")
PREFERENCES = "/v1/notifications/preferences"


async def test_people_get_all_notifications_until_they_change_their_preferences(ada: Person, bob: Person) -> None:
    everything = dict.fromkeys(TYPES, True)
    assert (await ada.ask("GET", PREFERENCES)).ok(Preferences).model_dump() == everything
    less = everything | {"like": False, "repost": False}
    assert (await ada.ask("PATCH", PREFERENCES, {"like": False, "repost": False})).ok(Preferences).model_dump() == less
    assert (await ada.ask("PATCH", PREFERENCES, {"repost": None})).ok(Preferences).repost is True
    assert (await ada.ask("PATCH", PREFERENCES, {})).ok(Preferences).model_dump() == everything | {"like": False}
    assert (await bob.ask("GET", PREFERENCES)).ok(Preferences).model_dump() == everything
    post = await ada.publish("hello")
    await bob.like(post)
    await bob.comment(post, "nice")
    assert [each.type for each in await notified(ada, 1)] == ["comment"]


async def test_devices_that_change_different_types_do_not_undo_each_other(ada: Person) -> None:
    await asyncio.gather(*(ada.ask("PATCH", PREFERENCES, {name: False}) for name in TYPES))
    assert (await ada.ask("GET", PREFERENCES)).ok(Preferences).model_dump() == dict.fromkeys(TYPES, False)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"likes": False}, {"/likes"}),
        ({"like": "no", "comment": 0, "reply": [], "mention": {"$ne": 1}}, {"/like", "/comment", "/reply", "/mention"}),
        ([], {""}),
        ({"_id": "x", "$set": {"like": False}}, {"/_id", "/$set"}),
    ],
    ids=("unknown", "no booleans", "a list", "the store's own"),
)
async def test_what_is_no_preference_is_refused(ada: Person, body: Any, pointers: set[str]) -> None:
    assert set((await ada.ask("PATCH", PREFERENCES, body)).wrong_fields()) == pointers


async def test_other_devices_hear_what_was_read(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    offset = (await ada.inbox()).offset
    await bob.like(post)
    (like,) = await notified(ada, 1)
    await ada.read(like)

    async def heard() -> None:
        answer = await ada.sync(offset)
        assert answer.recovered
        assert [each.event for each in answer.events] == ["notification", "notifications.read"]
        assert answer.events[1].data["ids"] == [like.id]
        assert answer.events[1].data["unread"] == 0

    await eventually(heard)


async def test_other_devices_hear_each_time_that_everything_was_read(ada: Person, bob: Person) -> None:
    """A client may also say `until the end of time` each time."""
    offset = (await ada.inbox()).offset
    for said in (1, 2):
        post = await ada.publish("hello")
        await bob.like(post)
        await notified(ada, said)
        await ada.ask("POST", "/v1/notifications/read", {"all_until": "2200-01-01T00:00:00Z"})

        async def heard(times: int = said) -> None:
            events = [each.event for each in (await ada.sync(offset)).events]
            assert events.count("notifications.read") == times

        await eventually(heard)


async def test_other_devices_hear_of_a_reading_up_to_the_last_moment_there_is(ada: Person, bob: Person) -> None:
    offset = (await ada.inbox()).offset
    await bob.like(await ada.publish("hello"))
    await notified(ada, 1)
    await ada.ask("POST", "/v1/notifications/read", {"all_until": "9999-12-31T23:59:59.999999Z"})

    async def heard() -> None:
        last = (await ada.sync(offset)).events[-1]
        assert (last.event, last.data.get("all_until")) == ("notifications.read", "9999-12-31T23:59:59.999000Z")

    await eventually(heard)


async def test_a_list_and_the_stream_after_it_join_without_hole_or_double(
    ada: Person, bob: Person, eve: Person
) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    (before,) = await notified(ada, 1)

    async def numbered() -> Notifications:  # a moment after the list shows it; in between both show it
        page = await ada.inbox()
        assert page.offset.endswith(".1")
        return page

    page = await eventually(numbered)
    await eve.like(post)

    async def grew() -> None:
        events = (await ada.sync(page.offset)).events
        assert [(each.event, each.data["id"]) for each in events] == [("notification.updated", before.id)]
        assert (events[0].data["count"], events[0].data["rev"]) == (2, 2)

    await eventually(grew)
    assert (await ada.sync((await ada.sync(page.offset)).offset)).events == []


@pytest.mark.parametrize("after", ["", "x", "00000000.0", "0.0", "%C3%A9.1", "abcdefgh.9", "a" * 40, "aaaaaaaa.-1"])
async def test_an_offset_of_another_stream_means_refetch(ada: Person, after: str) -> None:
    answer = await ada.sync(after)
    assert (answer.recovered, answer.events) == (False, [])
    assert answer.offset == (await ada.inbox()).offset


async def test_an_offset_must_be_given_and_short(ada: Person) -> None:
    assert (await ada.ask("GET", "/v1/sync")).wrong_fields() == {"?after": "missing"}
    assert (await ada.ask("GET", "/v1/sync?after=" + "x" * 41)).wrong_fields() == {"?after": "string_too_long"}


async def test_the_offset_of_another_person_shows_nothing(ada: Person, bob: Person, eve: Person) -> None:
    post = await ada.publish("hello")
    offset = (await ada.inbox()).offset
    await bob.like(post)
    await notified(ada, 1)
    assert (await eve.sync(offset)).events == []


async def test_notifications_page_without_repeating_any(ada: Person, bob: Person) -> None:
    for n in range(5):
        await bob.like(await ada.publish(str(n)))
    everything = ids(await notified(ada, 5))
    first = await ada.inbox("?limit=2")
    second = await ada.inbox(f"?limit=2&cursor={first.next}")
    third = await ada.inbox(f"?limit=2&cursor={second.next}")
    assert ids(first.items) + ids(second.items) + ids(third.items) == everything
    assert third.next is None
    back = await ada.inbox(f"?limit=2&cursor={third.prev}")
    assert ids(back.items) == ids(second.items)
    assert first.unread == third.unread == 5
