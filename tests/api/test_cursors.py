"""Cursors are sealed: they cannot be read, and work only for the list and the person they were made for."""

import base64
from typing import Any

from support.people import Person
from support.site import Site
from support.veiled import LISTS, scene

from social.contracts.codec import encode

REFUSED = {"?cursor": "cursor"}


async def cursors(reader: Person, paths: list[str]) -> dict[str, str]:
    """Return a cursor of each list."""
    found = {}
    for path in paths:
        body = (await reader.ask("GET", f"{path}&limit=1".replace("?&", "?"))).body
        found[path] = body["next"] or body["prev"]
    return found


async def asked(reader: Person, path: str, cursor: str) -> Any:
    return await reader.ask("GET", f"{path}&cursor={cursor}".replace("?&", "?"))


async def test_a_cursor_is_of_one_list_and_of_one_reader(site: Site, eve: Person) -> None:
    made = await scene(site, "vhv")
    given = await cursors(made.reader, [made.path(of) for of in LISTS])
    given |= await cursors(made.reader, ["/v1/search?q=quark%20%23quark", "/v1/users?q=ze", "/v1/auth/sessions?"])
    assert all(given.values())
    assert len(set(given.values())) == len(given)
    for of, cursor in given.items():
        for path in given:
            answer = await asked(made.reader, path, cursor)
            if path == of:
                assert answer.status == 200, path
            else:
                assert answer.wrong_fields() == REFUSED, (of, path)
        answer = await asked(eve, of, cursor)
        if answer.status != 404:  # Eve may not see the list at all
            assert answer.wrong_fields() == REFUSED, of


async def test_lists_of_one_kind_and_of_two_people_have_cursors_of_their_own(ada: Person, bob: Person) -> None:
    for each in (ada, bob):
        for text in ("1", "2"):
            await each.publish(text)
    paths = ["/v1/users/ada/posts?", "/v1/users/bob/posts?"]
    given = await cursors(ada, paths)
    for of, other in (paths, paths[::-1]):
        assert (await asked(ada, of, given[of])).status == 200
        assert (await asked(ada, other, given[of])).wrong_fields() == REFUSED


async def test_nothing_is_read_out_of_a_cursor_and_the_same_place_has_the_same(ada: Person) -> None:
    first, second = await ada.publish("1"), await ada.publish("2")
    answer = await ada.ask("GET", "/v1/users/ada/posts?limit=1")
    again = await ada.ask("GET", "/v1/users/ada/posts?limit=1")
    assert answer.raw == again.raw
    assert answer.headers["ETag"] == again.headers["ETag"], "a page that did not change keeps its entity tag"
    for cursor in (answer.body["next"], answer.body["prev"]):
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        for secret in (b"posts", second.id.encode(), bytes.fromhex(second.id), first.id.encode(), ada.id.encode()):
            assert secret not in plain
    assert len(answer.body["next"]) == len(answer.body["prev"])


async def test_a_cursor_that_was_changed_is_refused(ada: Person) -> None:
    for text in ("1", "2"):
        await ada.publish(text)
    cursor = (await ada.ask("GET", "/v1/feed?limit=1")).body["next"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for at in range(len(raw)):
        changed = base64.urlsafe_b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]).rstrip(b"=").decode()
        assert (await asked(ada, "/v1/feed?", changed)).wrong_fields() == REFUSED
    assert (await asked(ada, "/v1/feed?", cursor[:-8])).wrong_fields() == REFUSED


async def test_a_cursor_of_an_older_release_is_refused(ada: Person) -> None:
    post = await ada.publish("hello")
    old = base64.urlsafe_b64encode(encode(["posts", 1, post.id])).rstrip(b"=").decode()
    assert (await asked(ada, "/v1/users/ada/posts?", old)).wrong_fields() == REFUSED
