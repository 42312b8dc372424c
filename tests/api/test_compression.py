"""Large answers are compressed for clients that accept it."""

import zlib

import pytest
from support.people import Answer, Door, Person

from api.compression import accepts_gzip

TEXT = "how much wood would a woodchuck chuck " * 50


async def ask(person: Person, path: str, accepts: str, method: str = "GET", **headers: str) -> Answer:
    return await person.ask(method, path, headers={"Accept-Encoding": accepts, **headers})


async def test_a_large_answer_is_packed_for_who_takes_it_and_means_the_same(ada: Person) -> None:
    post = await ada.publish(TEXT)
    for path in (f"/v1/posts/{post.id}", "/v1/feed", "/docs", "/openapi.json", "/docs/assets/swagger-ui.css"):
        plain, packed = await ask(ada, path, "identity"), await ask(ada, path, "gzip")
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        assert plain.raw == packed.raw, "what it unpacks to"
        assert int(packed.headers["Content-Length"]) < len(plain.raw) * 0.7
        assert "Accept-Encoding" in plain.headers["Vary"]
        assert packed.headers["Vary"] == plain.headers["Vary"]
        assert packed.headers["ETag"] == plain.headers["ETag"][:-1] + '-gzip"'
        head = await ask(ada, path, "gzip", "HEAD")
        for name in ("Content-Encoding", "Content-Length", "ETag", "Vary"):
            assert head.headers[name] == packed.headers[name], (name, path)
        for accepts in ("gzip", "identity"):
            for tag in (plain.headers["ETag"], packed.headers["ETag"]):
                again = await ask(ada, path, accepts, **{"If-None-Match": tag})
                assert (again.status, again.raw) == (304, b"")
                assert "Content-Encoding" not in again.headers


async def test_an_edit_under_the_tag_of_a_packed_answer_is_done(ada: Person) -> None:
    links = [{"title": f"link {n}", "url": f"https://example.org/{n}/{'x' * 190}"} for n in range(5)]
    edited = await ada.ask("PATCH", "/v1/users/me", {"links": links, "bio": "x" * 150})
    assert edited.status == 200, edited
    packed = await ask(ada, "/v1/users/me", "gzip")
    assert packed.headers["ETag"].endswith('-gzip"')
    condition = {"If-Match": packed.headers["ETag"]}
    assert (await ada.ask("PATCH", "/v1/users/me", {"bio": "new"}, headers=condition)).status == 200
    (await ada.ask("PATCH", "/v1/users/me", {"bio": "old"}, headers=condition)).refused(412, "precondition_failed")


async def test_a_small_answer_is_sent_as_it_is(ada: Person) -> None:
    answer = await ask(ada, "/v1/users/me", "gzip")
    assert len(answer.raw) < 1_024
    assert "Content-Encoding" not in answer.headers


async def test_a_large_refusal_is_packed_too(ada: Person) -> None:
    answer = await ada.ask(
        "POST", "/v1/posts", {f"field{n}": n for n in range(90)}, headers={"Accept-Encoding": "gzip"}
    )
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.wrong_fields()) == 91


async def test_a_packed_body_is_refused(door: Door, ada: Person) -> None:
    data = zlib.compress(b'{"text": "hello"}', wbits=31)
    answer = await ada.ask("POST", "/v1/posts", data=data, headers={"Content-Encoding": "gzip"})
    answer.refused(415, "unsupported_content_encoding")


@pytest.mark.parametrize(
    ("accepts", "taken"),
    [
        ([], False),
        ([""], False),
        (["gzip"], True),
        (["GZIP"], True),
        (["x-gzip"], True),
        (["br, deflate"], False),
        (["br", "gzip"], True),
        (["deflate, gzip;q=1.0, *;q=0.5"], True),
        (["*"], True),
        (["*;q=0"], False),
        (["*;q=0, gzip"], True),
        (["gzip;q=0"], False),
        (["gzip; q=0.000, *"], False),
        (["gzip;q=0.5, identity"], False),
        (["identity;q=0.5, gzip ; q=1"], True),
        (["gzip;q=nonsense"], False),
        (["gzip;level=9"], False),
        (["not-gzip"], False),
    ],
)
def test_what_a_client_takes_is_read_with_its_weights(accepts: list[str], taken: bool) -> None:
    assert accepts_gzip(accepts) is taken
