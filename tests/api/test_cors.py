"""CORS: the web pages that may read answers, and the methods of each path."""

import asyncio
import re

import pytest
from structlog.testing import capture_logs
from support.people import Door, Person
from support.site import Site, serving

from api import decoding
from api.app import ALL
from api.settings import ApiSettings, RestSettings
from social.infra.settings import StartError, load

OURS = "http://localhost:8080"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def test_a_page_of_ours_may_read_every_answer_and_no_other_page(ada: Person) -> None:
    for path, status in (("/v1/users/me", 200), ("/nothing", 404), ("/v1/feed?limit=0", 422), ("/livez", 200)):
        for origin in (OURS, "http://127.0.0.1:8080"):
            answer = await ada.ask("GET", path, headers={"Origin": origin})
            assert answer.status == status
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
            assert {"Link", "ETag", "RateLimit", "X-Request-ID", "Location", "Retry-After"} <= set(exposed)
            assert {"RateLimit-Policy", "Accept-Ranges", "Content-Range", "WWW-Authenticate"} <= set(exposed)
        others = (
            "http://localhost:8081",
            "https://localhost:8080",
            "http://evil.example",
            "null",
            f"{OURS}.evil.example",
        )
        for origin in (*others, None):
            answer = await ada.ask("GET", path, headers={"Origin": origin} if origin else None)
            assert answer.status == status
            assert "Access-Control-Allow-Origin" not in answer.headers, origin
            assert "Origin" in answer.headers["Vary"]
            assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_preflight_says_what_a_page_may_send_and_for_how_long(door: Door) -> None:
    answer = await door.ask("OPTIONS", "/v1/posts", headers={"Origin": OURS, **PREFLIGHT})
    assert (answer.status, answer.raw) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key", "if-match", "if-none-match"} <= set(allowed)
    assert {"range", "if-range", "x-request-id"} <= set(allowed)
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    foreign = await door.ask("OPTIONS", "/v1/posts", headers={"Origin": "http://evil.example", **PREFLIGHT})
    assert "Access-Control-Allow-Origin" not in foreign.headers


async def test_a_page_of_the_server_that_was_asked_may_read(site: Site, door: Door) -> None:
    for origin in (door.url, door.url.replace("http", "ws"), door.url.upper(), "http://LOCALHOST:8080"):
        answer = await door.ask("GET", "/livez", headers={"Origin": origin})
        assert answer.headers["Access-Control-Allow-Origin"] == origin
    forwarded = {"Origin": "https://plaza.example", "X-Forwarded-Host": "plaza.example", "X-Forwarded-Proto": "https"}
    assert "Access-Control-Allow-Origin" not in (await door.ask("GET", "/livez", headers=forwarded)).headers
    async with serving(site.plaza, site.keys, trusted_proxies="127.0.0.1") as behind:
        answer = await behind.ask("GET", "/livez", headers=forwarded)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://plaza.example"
        insecure = {**forwarded, "Origin": "http://plaza.example"}
        assert "Access-Control-Allow-Origin" not in (await behind.ask("GET", "/livez", headers=insecure)).headers


async def test_apps_read_where_they_are_listed_and_the_log_says_how_the_others_would(site: Site) -> None:
    async with serving(site.plaza, site.keys, origins="capacitor://localhost,null") as door:
        for origin in ("capacitor://localhost", "null"):
            answer = await door.ask("GET", "/livez", headers={"Origin": origin})
            assert answer.headers["Access-Control-Allow-Origin"] == origin
        with capture_logs() as logged:
            for _ in range(3):
                answer = await door.ask("GET", "/livez", headers={"Origin": "http://localhost:5173"})
                assert "Access-Control-Allow-Origin" not in answer.headers
        lines = [each["set"] for each in logged if each["event"].startswith("origin refused")]
        assert lines == ["ORIGINS=capacitor://localhost,null,http://localhost:5173"]


async def test_every_path_says_what_it_takes(site: Site) -> None:
    async with serving(site.plaza, site.keys, public_reads="on") as door:
        await _say_what_they_take(door)


async def _say_what_they_take(door: Door) -> None:
    for path in {route.path for service in ALL for route in service.routes}:
        here = re.sub(r"{\w+}", "0" * 24, path)
        takes = {route.method for service in ALL for route in service.routes if route.path == path} | {"OPTIONS"}
        takes |= {"HEAD"} if "GET" in takes else set()
        answer = await door.ask("OPTIONS", here)
        assert (answer.status, answer.raw) == (204, b"")
        assert takes <= set(answer.headers["Allow"].split(", ")), path
    for path in ("/docs", "/livez", "/openapi.json"):
        assert "GET" in (await door.ask("OPTIONS", path)).headers["Allow"]
    (await door.ask("OPTIONS", "/nothing")).refused(404, "not_found")


async def test_any_page_may_read_where_that_is_chosen_but_never_with_credentials(site: Site) -> None:
    async with serving(site.plaza, site.keys, origins="*") as door:
        answer = await door.ask("GET", "/livez", headers={"Origin": "http://evil.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_pages_of_the_port_we_listen_on_are_ours_by_default() -> None:
    assert RestSettings(api_port=9000).allowed_origins == ["http://localhost:9000", "http://127.0.0.1:9000"]


@pytest.mark.parametrize("origins", [",", " ", "localhost:8080", "http://localhost:8080/", "ftp://x", "http://*.x"])
def test_a_list_of_origins_that_is_empty_or_wrong_stops_the_start(
    origins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORIGINS", origins)
    with pytest.raises(StartError, match="ORIGINS is wrong"):
        load(ApiSettings, "api")


async def test_links_lead_back_through_the_proxy_that_shows_us_under_a_path(site: Site, ada: Person) -> None:
    async with serving(site.plaza, site.keys, trusted_proxies="127.0.0.1") as door:
        here = Person(door, ada.tokens)
        for prefix in ("/social", "/a/b/"):
            headers = {"X-Forwarded-Prefix": prefix}
            made = await here.ask("POST", "/v1/posts", {"text": "x"}, headers=headers)
            assert made.headers["Location"] == f"{prefix.rstrip('/')}/v1/posts/{made.body['id']}"
            page = await here.ask("GET", "/v1/feed?limit=1", headers=headers)
            assert page.headers["Link"].startswith(f"<{prefix.rstrip('/')}/v1/feed?limit=1&cursor=")
        for prefix in ("//evil.example", "https://evil.example", "/x>; rel=next", "x"):
            page = await here.ask("GET", "/v1/feed", headers={"X-Forwarded-Prefix": prefix})
            assert page.headers["Link"].startswith("</v1/feed?"), prefix
    page = await ada.ask("GET", "/v1/feed", headers={"X-Forwarded-Prefix": "/evil"})
    assert page.headers["Link"].startswith("</v1/feed?"), "nobody listed says so"


async def test_a_body_that_trickles_is_not_waited_for(door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BODY_S", 0.2)
    host, _, port = door.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/posts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.tokens.access_token}\r\n"
    writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    async with asyncio.timeout(60):
        answer = await reader.readuntil(b"}")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"body_timeout" in answer
    assert b"Connection: close" in answer
    writer.close()
    await writer.wait_closed()
    assert (await ada.posts(ada)).items == []
