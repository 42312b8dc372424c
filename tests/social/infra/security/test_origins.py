"""Origins: their one form, which of them may use the system, and what is logged about the others."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from social.infra.security.allowed_origins import AllowedOrigins, RequestOrigin
from social.infra.security.origins import Origin, canonical
from social.infra.security.proxies import Proxies

FRONT = Proxies([ip_network("10.0.0.0/8")])
PEER, PROXY = "203.0.113.7", "10.0.0.1"


@pytest.mark.parametrize(
    ("text", "one_form"),
    [
        ("http://Example.COM", "http://example.com"),
        ("HTTP://example.com:80", "http://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("https://example.com:80", "https://example.com:80"),
        ("ws://example.com:80", "http://example.com"),
        ("wss://example.com", "https://example.com"),
        ("wss://example.com:8443", "https://example.com:8443"),
        ("http://[2001:DB8::1]:8081", "http://[2001:db8::1]:8081"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("Ionic://LocalHost", "ionic://localhost"),
        ("tauri://localhost", "tauri://localhost"),
        ("http://tauri.localhost", "http://tauri.localhost"),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
        ("http://LocalHost:*", "http://localhost:*"),
        ("https://127.0.0.1:*", "https://127.0.0.1:*"),
        ("null", "null"),
        ("*", "*"),
    ],
)
def test_an_origin_has_one_form(text: str, one_form: str) -> None:
    assert canonical(text) == one_form
    assert canonical(one_form) == one_form


@pytest.mark.parametrize(
    "text",
    [
        *("", "localhost:8080", "http://", "http://x/", "http://x/y", "http://x?y", "http://x#y", "//x", "ftp://x"),
        *("http://u:p@x", "http://x y", "http://x:99999", "http://x:y", "http://[::1", "http://a,http://b", "NULL"),
        *("http://a http://b", "http://*.x", "http://x:*", "capacitor://localhost:*", "http://localhost:8*", "file://"),
        "http://" + "x" * 300,
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        canonical(text)
    assert not AllowedOrigins(["http://localhost:8080"]).allow(RequestOrigin(text or "x", PEER, "localhost:8080"))


@given(st.text())
def test_any_text_is_an_origin_or_none(text: str) -> None:
    origin = Origin.parse(text)
    assert origin is None or Origin.parse(str(origin)) == origin
    AllowedOrigins(["http://x"]).allow(RequestOrigin(text, PEER, text, text, text))
    AllowedOrigins(["http://x"], FRONT).allow(RequestOrigin("http://y", PROXY, text, text, text))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8081", "127.0.0.1:8081"),
        ("ws://127.0.0.1:8081", "127.0.0.1:8081"),
        ("http://plaza.example", "Plaza.Example"),
        ("http://plaza.example:80", "plaza.example"),
        ("https://plaza.example", "plaza.example"),  # TLS ends before this process
        ("wss://plaza.example:443", "plaza.example:443"),
        ("http://[::1]:8081", "[::1]:8081"),
    ],
)
def test_the_server_that_was_asked_is_the_own_origin(origin: str, host: str) -> None:
    assert AllowedOrigins(["http://x"]).allow(RequestOrigin(origin, PEER, host))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8081"),
        ("http://localhost:8081", "127.0.0.1:8081"),
        ("http://plaza.example.evil.example", "plaza.example"),
        ("http://evil.example", "plaza.example"),
        ("https://plaza.example", "plaza.example:80"),
        ("capacitor://plaza.example", "plaza.example"),
        ("null", "null"),
        ("http://plaza.example", ""),
    ],
)
def test_another_server_is_another_origin(origin: str, host: str) -> None:
    assert not AllowedOrigins(["http://x"]).allow(RequestOrigin(origin, PEER, host))
    assert not AllowedOrigins(["http://x"], FRONT).allow(RequestOrigin(origin, PROXY, host, "", ""))


def test_the_name_in_front_of_a_proxy_counts_when_that_proxy_is_trusted() -> None:
    asked = RequestOrigin("https://plaza.example:8443", PROXY, "inner:8081", "plaza.example:8443", "https")
    assert AllowedOrigins(["http://x"], FRONT).allow(asked)
    assert AllowedOrigins(["http://x"], FRONT).allow(asked._replace(forwarded_host="cdn.example, plaza.example:8443"))
    assert not AllowedOrigins(["http://x"], FRONT).allow(asked._replace(peer=PEER)), "the header of an unknown client"
    portless = asked._replace(origin="https://plaza.example", host="plaza.example")
    assert not AllowedOrigins(["http://x"], FRONT).allow(portless), "another port"
    assert AllowedOrigins(["http://x"], FRONT).allow(portless._replace(forwarded_host=None))
    assert not AllowedOrigins(["http://x"]).allow(asked), "no proxy is trusted"
    insecure = RequestOrigin("http://plaza.example", PROXY, "plaza.example", "plaza.example", "https")
    assert not AllowedOrigins(["http://x"], FRONT).allow(insecure), "a page without TLS is not the site with it"


def test_apps_and_pages_without_an_origin_are_let_in_by_name_only() -> None:
    apps = ["capacitor://localhost", "tauri://localhost", "chrome-extension://abc", "null"]
    for app in apps:
        assert not AllowedOrigins(["http://localhost"]).allow(RequestOrigin(app, PEER, "localhost"))
        assert AllowedOrigins(["http://x", app]).allow(RequestOrigin(app, PEER, "localhost"))
    assert AllowedOrigins(["*"]).allow(RequestOrigin("null", PEER))
    assert AllowedOrigins(["http://x"]).allow(RequestOrigin(None, PEER))


def test_any_port_of_this_machine_is_no_port_of_another() -> None:
    origins = AllowedOrigins(["http://localhost:*", "http://[::1]:*"])
    for said in ("http://localhost", "http://localhost:5173", "HTTP://LocalHost:1", "http://[::1]:3000"):
        assert origins.allow(RequestOrigin(said, PEER, "x")), said
    others = ("https://localhost:5173", "http://127.0.0.1:5173", "http://localhost.evil.example:5173")
    for said in (*others, "http://evil.localhost:5173", "http://localhost:*", "null"):
        assert not origins.allow(RequestOrigin(said, PEER, "x")), said


def test_a_refused_origin_is_one_line_that_says_what_lets_it_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.security.allowed_origins.LOGGED_EVERY_S", 0.0)
    origins = AllowedOrigins(["http://b", "http://a"])
    with capture_logs() as logged:
        for said in ["http://New:80", "http://New:80", "null", "nonsense", "http://New:80"]:
            assert not origins.allow(RequestOrigin(said, PEER, "x"))
    assert [each.get("set") for each in logged] == [
        "ORIGINS=http://a,http://b,http://new",
        "ORIGINS=http://a,http://b,null",
        None,
    ]


def test_unknown_clients_cannot_fill_the_log() -> None:
    origins = AllowedOrigins(["http://x"])
    with capture_logs() as logged:
        for number in range(1_000):
            origins.allow(RequestOrigin(f"http://x{number}", PEER, "x"))
    assert 1 <= len(logged) <= 2
