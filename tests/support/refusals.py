"""A real refusal of each code that can be had at once: the examples of problems in the OpenAPI document."""

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any
from unittest.mock import patch

from social.accounts import lifecycle
from support.people import PASSWORD, Answer, Person
from support.pictures import form, picture
from support.site import Site

NOBODYS = "0" * 24


async def refusals(site: Site) -> dict[str, Any]:
    """Return the body of each refusal by its code."""
    door = site.door
    ada, bob = await door.register("ada_refused"), await door.register("bob_refused")
    found: dict[str, Any] = {}
    for some in (_of_requests(ada), _of_things(ada, bob), _of_logins(site, ada)):
        async for answer in some:
            assert answer.headers["Content-Type"] == "application/problem+json", answer
            found[answer.body["code"]] = answer.body
    return found


async def _of_requests(ada: Person) -> AsyncIterator[Answer]:
    posts, media = "/v1/posts", "/v1/media"
    await ada.publish("hello", key="first")
    yield await ada.door.ask("GET", "/v1/users/me")
    yield await ada.ask("POST", posts, {"text": 42, "colour": "red"})
    yield await ada.ask("POST", posts, data=b"{", headers={"Content-Type": "application/json"})
    yield await ada.ask("POST", posts, data=b"x", headers={"Content-Encoding": "br"})
    yield await ada.ask("POST", posts, data=BytesIO(b" " * 1_200_000), headers={"Content-Type": "application/json"})
    yield await ada.ask("POST", posts, {"text": "hello again"}, key="first")
    yield await ada.ask("POST", media, {"file": "photo.png"})
    yield await ada.ask("POST", media, data=b"x", headers={"Content-Type": "multipart/form-data; boundary=x"})


async def _of_things(ada: Person, bob: Person) -> AsyncIterator[Answer]:
    media = f"/v1/media/{(await ada.ask('POST', '/v1/media', data=form(picture()))).body['id']}"
    post = await ada.publish("a wall")
    assert (await ada.ask("POST", "/v1/posts", {"text": "", "media": [media.rpartition("/")[2]]})).status == 201
    report = {"target": {"kind": "post", "id": post.id}, "reason": "spam"}
    assert (await bob.ask("POST", "/v1/reports", report)).status == 201
    yield await ada.ask("GET", f"/v1/posts/{NOBODYS}")
    yield await bob.ask("DELETE", f"/v1/posts/{post.id}")
    yield await bob.ask("POST", "/v1/reports", report)
    yield await ada.ask("PATCH", f"/v1/posts/{post.id}", {"text": "a blue wall"}, headers={"If-Match": '"another"'})
    yield await ada.ask("GET", media, headers={"Range": "bytes=10000000-"})
    yield await ada.ask("DELETE", media)
    with patch("social.posts.media.MOST_UNUSED_BYTES", 0):
        yield await ada.ask("POST", "/v1/media", data=form(picture()))


async def _of_logins(site: Site, ada: Person) -> AsyncIterator[Answer]:
    door = site.door
    account = {"username": "eve_refused", "email": "eve_refused@example.org", "password": PASSWORD}
    wrong = {"current_password": "another good one", "new_password": "yet another one"}
    yield await door.ask("POST", "/v1/auth/register", account | {"username": ada.username})
    yield await door.ask("POST", "/v1/auth/register", account | {"email": ada.email})
    yield await door.ask("POST", "/v1/auth/login", {"username": ada.username, "password": "another good one"})
    yield await ada.ask("POST", "/v1/auth/password", wrong)
    yield await door.ask("POST", "/v1/auth/verify-email", {"token": "not of a mail"})
    yield await door.ask("POST", "/v1/auth/refresh-token", {"refresh_token": "none"})
    assert (await ada.ask("POST", "/v1/auth/logout-all")).status == 204
    yield await ada.ask("GET", "/v1/users/me")
    await lifecycle.suspend(site.plaza.mongo, ada.username, None)
    yield await door.ask("POST", "/v1/auth/login", {"username": ada.username, "password": PASSWORD})
