"""Broken and hostile input to every route, and the problems it gets."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from support.one_site import one_door, one_loop, one_person, one_site
from support.people import Answer, Door, Person

from api.app import ALL
from api.routing import Route
from social.contracts.codec import encode

pytestmark = one_loop
site, door = one_site(public_reads="on"), one_door()
ada, bob = one_person("ada"), one_person("bob")

MIB = 1024 * 1024
ROUTES = [route for service in ALL for route in service.routes]
WRITES = [route for route in ROUTES if route.body]

GOOD: dict[str, dict[str, Any]] = {
    "Register": {"username": "carol", "email": "carol@example.org", "password": "long enough"},
    "Login": {"username": "ada", "password": "long enough"},
    "Refresh": {"refresh_token": "x"},
    "DeleteAccount": {"password": "long enough"},
    "NewReport": {"target": {"kind": "user", "id": "0" * 24}, "reason": "spam"},
    "EditProfile": {"display_name": "Ada"},
    "ChooseAvatar": {"media_id": "0" * 24},
    "ChangePassword": {"current_password": "long enough", "new_password": "longer still"},
    "ChangeEmail": {"password": "long enough", "email": "carol@example.org"},
    "VerifyEmail": {"token": "x"},
    "RequestPasswordReset": {"email": "carol@example.org"},
    "ResetPassword": {"token": "x", "password": "long enough"},
    "NewPost": {"text": "hello"},
    "EditPost": {"text": "hello"},
    "EditPreferences": {"like": False},
    "NewComment": {"text": "hello"},
    "EditComment": {"text": "hello"},
    "EditMedia": {"alt": "a wall"},
    "Read": {"ids": ["0" * 24]},
}
NEEDED = {"sync": "?after=x", "search_users": "?q=b", "search": "?q=b"}  # parameters
HOSTILE: list[Any] = [{"$ne": None}, {"$gt": ""}, ["x"], {}, 7, True, None]


def named(route: Route) -> str:
    return route.name


def path_of(route: Route, **values: str) -> str:
    return re.sub(
        r"{(\w+)}",
        lambda found: values.get(found[1], {"username": "bob", "tag": "plaza"}.get(found[1], "0" * 24)),
        route.path,
    )


def model_of(route: Route) -> type[BaseModel]:
    assert route.body is not None
    return route.body


@pytest.fixture(params=WRITES, ids=named)
def write(request: pytest.FixtureRequest) -> Route:
    route: Route = request.param
    return route


async def send(person: Person, route: Route, body: Any = None, **more: Any) -> Answer:
    return await person.ask(route.method, path_of(route), body, **more)


async def test_every_field_of_every_body_is_taken_for_what_it_says_or_refused(ada: Person, write: Route) -> None:
    """No operator of the document store, and no other type, passes for a string."""
    good = GOOD[model_of(write).__name__]
    assert set(good) <= set(model_of(write).model_fields)
    for field, said in model_of(write).model_fields.items():
        for hostile in HOSTILE:
            if hostile is None and not said.is_required():
                continue
            if (field, hostile) == ("all_until", 7) or (hostile is True and said.annotation in (bool, bool | None)):
                continue  # a time may be a number
            answer = await send(ada, write, {**good, field: hostile})
            assert any(pointer.startswith(f"/{field}") for pointer in answer.wrong_fields()), (field, hostile)


async def test_every_bad_field_is_named_at_once(ada: Person, write: Route) -> None:
    fields = model_of(write).model_fields
    required = {f"/{name}" for name, field in fields.items() if field.is_required()}
    wrong = (await send(ada, write, {"colour": "red", "$where": "1"})).wrong_fields()
    assert wrong["/colour"] == wrong["/$where"] == "extra_forbidden"
    assert {pointer for pointer, code in wrong.items() if code == "missing"} == required


async def test_a_body_of_nothing_but_unknown_fields_costs_no_more_to_answer_than_to_send(
    ada: Person, write: Route
) -> None:
    body = {f"{n}": 1 for n in range(80_000)}
    assert len(encode(body)) < MIB
    answer = await send(ada, write, body)
    assert answer.wrong_fields() == {"": "value_error"}
    assert len(answer.raw) < 1_000


async def test_each_way_a_registration_is_wrong_is_said(door: Door) -> None:
    ask = {"username": "a b", "email": "nowhere", "password": "short", "admin": True, "a/b~c": 1}
    answer = await door.ask("POST", "/v1/auth/register", ask)
    assert answer.wrong_fields() == {
        "/username": "string_pattern_mismatch",
        "/email": "string_pattern_mismatch",
        "/password": "string_too_short",
        "/admin": "extra_forbidden",
        "/a~1b~0c": "extra_forbidden",
    }
    assert b"short" not in answer.raw.replace(b"too_short", b""), "an answer repeats a password"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "ab"),
        ("username", "a" * 31),
        ("username", "ädä"),
        ("username", "a\nda"),
        ("username", "a\x00da"),
        ("username", "me"),
        ("username", "ADMIN"),
        ("username", "docs"),
        ("username", "search"),
        ("username", "support"),
        ("username", "Administrator"),
        ("username", "_moderator_"),
        ("username", "ro_ot"),
        ("username", "everyone"),
        ("email", "a@b"),
        ("email", "a@@b.c"),
        ("email", "a b@c.d"),
        ("email", "@b.c"),
        ("email", "a\n@b.c"),
        ("email", "a..b@c.de"),
        ("email", "ada@c..de"),
        ("email", '"ada lovelace"@c.de'),
        ("email", "ada@[192.0.2.1]"),
        ("email", "ädä@example.org"),
        ("email", "ada@xn--zz.de"),
        ("email", "a" * 65 + "@b.de"),
        ("email", "a\x00@b.c"),
        ("email", "a" * 250 + "@b.c"),
        ("password", "x" * 7),
        ("password", "x" * 129),
        ("password", "long\x00enough"),
    ],
)
async def test_a_registration_needs_a_name_an_address_and_a_password(door: Door, field: str, value: str) -> None:
    answer = await door.ask("POST", "/v1/auth/register", GOOD["Register"] | {field: value})
    assert list(answer.wrong_fields()) == [f"/{field}"]


NOT_JSON = [
    b"",
    b"{",
    b"hello",
    b"{'text': 1}",
    b'{"text": NaN}',
    b'{"text": "\\ud800"}',
    b"\xff\xfe",
    b'{"text":"x"} x',
]


async def test_what_is_not_json_is_said_to_be_so(ada: Person, write: Route) -> None:
    deep = b"[" * 100_000
    for data in (*NOT_JSON, deep):
        (await send(ada, write, data=data)).refused(400, "malformed_json")


async def test_json_that_is_no_object_is_refused(ada: Person, write: Route) -> None:
    for data in (b"null", b"[]", b'"x"', b"7", b"true", b"[[]]"):
        assert (await send(ada, write, data=data)).wrong_fields() == {"": "model_type"}


async def test_a_body_over_one_mebibyte_is_too_large(ada: Person, write: Route) -> None:
    big = b'{"text": "' + b"x" * MIB + b'"}'
    (await send(ada, write, data=io.BytesIO(big))).refused(413, "too_large")
    (await send(ada, write, data=chunks(big))).refused(413, "too_large")


async def test_a_body_of_just_one_mebibyte_is_read(ada: Person) -> None:
    data = json.dumps({"text": "hello"}).encode().ljust(MIB)
    assert (await ada.ask("POST", "/v1/posts", data=io.BytesIO(data))).status == 201
    assert (await ada.ask("POST", "/v1/posts", data=chunks(data))).status == 201


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 65_536):
        yield data[at : at + 65_536]


def needs_login() -> Iterator[Route]:
    yield from (route for route in ROUTES if route.auth)


async def test_no_route_but_those_of_signing_in_works_without_a_token(door: Door, bob: Person) -> None:
    for route in needs_login():
        body = GOOD[model_of(route).__name__] if route.body else None
        answer = await door.ask(route.method, path_of(route), body)
        answer.refused(401, "invalid_token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    open_to_all = {route.name for route in ROUTES if not route.auth and not route.public}
    by_mail = {"request_password_reset", "reset_password", "verify_email"}
    assert open_to_all == {"register", "login", "refresh_token", "logout", "jwks"} | by_mail


async def test_a_request_without_a_valid_token_does_not_learn_what_else_is_wrong(door: Door) -> None:
    (await door.ask("POST", "/v1/posts", data=b"{")).refused(401, "invalid_token")
    (await door.ask("POST", "/v1/posts", {"colour": 1})).refused(401, "invalid_token")


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1", "/v1/", "/v1/users/me/", "/v2/users/me", "/v1/posts/x/y", "/%00", "//"]
)
async def test_a_path_that_leads_nowhere_is_not_found(ada: Person, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        (await ada.ask(method, path)).refused(404, "not_found")


async def test_a_path_taken_the_wrong_way_says_which_ways_there_are(ada: Person) -> None:
    for route in ROUTES:
        allowed = {each.method for each in ROUTES if each.path == route.path}
        allowed |= {"HEAD"} if "GET" in allowed else set()
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"} - allowed:
            answer = await ada.ask(method, path_of(route))
            if answer.status == 404:  # another route has this path
                continue
            answer.refused(405, "method_not_allowed")
            assert allowed <= set(answer.headers["Allow"].split(", ")), (method, route.path)


async def test_head_answers_like_get_without_a_body(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    comment = await ada.comment(post, "first")
    for route in ROUTES:
        if route.method == "GET" and "media_id" not in route.path and route.name != "get_avatar":  # test_media.py
            path = path_of(route, post_id=post.id, comment_id=comment.id) + NEEDED.get(route.name, "")
            get, head = await ada.ask("GET", path), await ada.ask("HEAD", path)
            assert (head.status, head.raw) == (200, b""), path
            for name in ("Content-Type", "Content-Length", "Cache-Control", "Link"):
                assert head.headers.get(name) == get.headers.get(name), (name, path)
    (await ada.ask("GET", f"/v1/posts/{'0' * 24}")).refused(404, "not_found")
    assert (await ada.ask("HEAD", f"/v1/posts/{'0' * 24}")).status == 404


async def test_every_answer_names_its_request(ada: Person) -> None:
    mine = await ada.ask("GET", "/v1/users/me", headers={"X-Request-ID": "my-request.1"})
    assert mine.headers["X-Request-ID"] == "my-request.1"
    refused = await ada.ask("GET", "/nothing", headers={"X-Request-ID": "my-request.2"})
    assert refused.refused(404, "not_found").request_id == "my-request.2"
    for path in ("/v1/users/me", "/nothing", "/livez", "/docs", "/"):
        names = {(await ada.ask("GET", path)).headers["X-Request-ID"] for _ in range(2)}
        assert len(names) == 2


@pytest.mark.parametrize("name", ["", " ", "a b", "x" * 65, "é", "<script>", "a,b"])
async def test_a_request_id_that_could_do_harm_in_a_log_is_replaced(ada: Person, name: str) -> None:
    answer = await ada.ask("GET", "/v1/users/me", headers={"X-Request-ID": name})
    assert re.fullmatch("[0-9a-f]{24}", answer.headers["X-Request-ID"])


async def test_a_client_that_never_ends_its_body_holds_nobody_up(door: Door, ada: Person) -> None:
    host, _, port = door.url.removeprefix("http://").partition(":")
    head = f"POST /v1/posts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.tokens.access_token}\r\n"
    writers = []
    for _ in range(20):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        writers.append(writer)
    async with asyncio.timeout(60):
        await ada.publish("hello")
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_hangs_up_in_the_middle_writes_nothing(door: Door, ada: Person) -> None:
    before = (await ada.posts(ada)).items
    host, _, port = door.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/posts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.tokens.access_token}\r\n"
    writer.write(f'{head}Content-Length: 100\r\n\r\n{{"text": "hello"}}'.encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await ada.posts(ada)).items == before


async def test_no_cache_keeps_an_answer_for_others_or_unasked(ada: Person) -> None:
    for path in ("/v1/users/me", "/v1/feed", "/nothing"):
        assert (await ada.ask("GET", path)).headers["Cache-Control"] in ("private, no-cache", "no-store")
