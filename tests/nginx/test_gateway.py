"""nginx alone: where it leads a request, which headers it sets, and which requests it refuses."""

import asyncio
import itertools
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest
from conftest import require
from support.eventually import eventually
from support.nginx import Listener, Nginx, before, listening, raw
from support.people import Door
from support.ports import free_ports

from api.app import ALL
from api.settings import SERVICES
from devtools.generate.locations import METHODS

PLAIN = {"Accept-Encoding": "identity"}
NODES = ["realtime-1", "realtime-2"]
Start = Callable[..., Awaitable[Nginx]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start nginx for these servers, in a folder that its unprivileged workers may read."""
    require(Nginx)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        folder.chmod(0o755)

        async def start_one(*arguments: Any, adapt: Callable[[Path], None] = lambda conf: None, **more: Any) -> Nginx:
            nginx = Nginx(folder / "nginx", before(*arguments, **more), adapt)
            stack.push_async_callback(nginx.kill)
            await nginx.start()
            return nginx

        yield start_one


@pytest.fixture
async def api() -> AsyncIterator[Listener]:
    """A server for all services."""
    listener = Listener("api")
    async with listening(listener):
        yield listener


@pytest.fixture
async def gateways() -> AsyncIterator[dict[str, Listener]]:
    """Two gateways."""
    listeners = {name: Listener(name) for name in NODES}
    async with listening(*listeners.values()):
        yield listeners


@pytest.fixture
async def nginx(start: Start, api: Listener, gateways: dict[str, Listener]) -> Nginx:
    """nginx for all of these servers."""
    return await start([api.server], {name: each.server for name, each in gateways.items()})


@pytest.fixture
async def door(nginx: Nginx) -> AsyncIterator[Door]:
    async with aiohttp.ClientSession() as session:
        yield Door(session, nginx.url)


async def test_each_path_leads_to_its_service_by_its_method(start: Start) -> None:
    services = {name: Listener(name) for name in SERVICES}
    async with listening(*services.values()), aiohttp.ClientSession() as session:
        nginx = await start({name: [each.server] for name, each in services.items()}, {"realtime-1": "127.0.0.1:1"})
        door = Door(session, nginx.url)
        for service in ALL:
            for route in service.routes:
                path = re.sub(r"{\w+}", "some-thing_1", route.path)
                assert (await door.ask(route.method, path)).body == {"by": service.name}, route
                wish = {"Origin": "http://x.example", "Access-Control-Request-Method": route.method}
                assert (await door.ask("OPTIONS", path, headers=wish)).body == {"by": service.name}, route
            for path in (f"/docs/{service.name}", f"/openapi/{service.name}.json"):
                assert (await door.ask("GET", path)).body == {"by": service.name}
        whole = await door.ask("GET", "/openapi.json")
        assert {tag["name"] for tag in whole.body["tags"]} == set(SERVICES)
        for path in ("/docs", "/docs/postman-collection.json"):
            assert (await door.ask("GET", path)).status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "/livez", "/readyz", "/v1", "/v1/nothing", "/socket.io.js", "/problems/503", "/nginx.conf"),
        *("//metrics", "/%6detrics", "/v1/../metrics", "/docs/../metrics", "/docs/..%2fmetrics", "/docs/%2e%2e/readyz"),
        *("/metrics#/../docs", "/socket.io/../metrics", "/socket.io/%2e%2e/metrics", "/./livez", "/docs/.%2e/livez"),
    ],
)
async def test_what_is_nobody_elses_stays_inside(
    nginx: Nginx, api: Listener, gateways: dict[str, Listener], path: str
) -> None:
    answer = await raw(nginx.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b'"code":"not_found"' in answer
    assert not any(each.got for each in (api, *gateways.values()))


@pytest.mark.parametrize(
    "path", ["/metrics/../socket.io/", "/livez#/../socket.io/", "/socket.io", "/x/..%2fsocket.io/"]
)
async def test_a_gateway_sees_one_path_however_it_was_written(
    nginx: Nginx, gateways: dict[str, Listener], path: str
) -> None:
    await raw(nginx.port, f"GET {path}?a=%20b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    heard = [each.target for gateway in gateways.values() for each in gateway.heard]
    assert heard in (["/socket.io/?a=%20b"], [])


async def test_a_session_id_leads_to_its_node_and_an_unknown_one_to_any(
    door: Door, gateways: dict[str, Listener]
) -> None:
    for name in NODES * 3:
        assert (await door.ask("GET", f"/socket.io/?EIO=4&transport=polling&sid={name}.a-b_c")).body == {"by": name}
        assert (await door.ask("POST", f"/socket.io/?sid={name}.a-b_c&EIO=4", data=b"4x")).body == {"by": name}
    for sid in ("", "nobody", "realtime-9.abc", "realtime-1", "realtime-12.abc", "xrealtime-1.abc"):
        by = {(await door.ask("GET", f"/socket.io/?EIO=4&sid={sid}")).body["by"] for _ in range(4)}
        assert by == set(NODES), sid


async def test_what_a_client_says_of_where_it_comes_from_is_overwritten(
    door: Door, api: Listener, nginx: Nginx
) -> None:
    forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "X-Real-IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
        "Cookie": "much=ado",
        "Upgrade": "h2c",
        "X-Request-ID": "my-own.name_1",
    }
    await door.ask("GET", "/v1/feed", headers=forged)
    (heard,) = api.heard
    assert heard.header("X-Forwarded-For") == ["127.0.0.1"]
    assert heard.header("X-Forwarded-Proto") == ["http"]
    assert heard.header("X-Forwarded-Host") == [f"127.0.0.1:{nginx.port}"]
    for name in ("X-Forwarded-Prefix", "X-Real-IP", "Forwarded", "Cookie", "Upgrade", "Connection"):
        assert heard.header(name) == [], name
    assert heard.header("X-Request-ID") == ["my-own.name_1"]
    await door.ask("GET", "/v1/feed", headers={"X-Request-ID": 'no" name'})
    assert re.fullmatch("[0-9a-f]{32}", "".join(api.heard[1].header("X-Request-ID")))


async def test_a_gateway_gets_the_headers_it_reads_and_no_others(door: Door, gateways: dict[str, Listener]) -> None:
    passed = {
        "Origin": "http://x.example",
        "User-Agent": "me",
        "Content-Type": "text/plain",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Access-Control-Request-Headers": "x-a",
    }
    many = {f"X-Many-{number}": "x" for number in range(60)}
    await door.ask("GET", "/socket.io/?EIO=4", headers=passed | many)
    (heard,) = [each for gateway in gateways.values() for each in gateway.heard]
    assert passed.items() <= dict(heard.headers).items()
    assert heard.header("Connection") == ["upgrade"]
    own = {"Host", "Connection", "X-Request-ID", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}
    assert {name for name, _ in heard.headers} == passed.keys() | own


async def test_a_long_poll_is_packed_and_a_short_one_is_not(door: Door, gateways: dict[str, Listener]) -> None:
    for size, packed in ((5_000, "gzip"), (500, None)):
        for gateway in gateways.values():
            gateway.answer = "4" * size
        answer = await door.ask("GET", "/socket.io/?EIO=4", headers={"Accept-Encoding": "gzip"})
        assert answer.headers.get("Content-Encoding") == packed
        assert answer.raw == b"4" * size
        assert "Content-Encoding" not in (await door.ask("GET", "/socket.io/?EIO=4", headers=PLAIN)).headers


async def test_the_log_has_a_line_for_each_request_and_no_query(door: Door, nginx: Nginx) -> None:
    passed = {"X-Request-ID": "shown", "User-Agent": 'quo"ted'}
    await door.ask("GET", "/v1/media/abc?signature=secret", headers=passed)
    await door.ask("GET", "/socket.io/?EIO=4&sid=realtime-1.secret")
    await door.ask("GET", "/nothing/here?password=secret")
    await raw(nginx.port, b"GET /v1/feed?secret HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n")

    async def logged() -> list[dict[str, Any]]:
        log = [line for line in nginx.requests() if line["path"] != "/nowhere"]
        assert len(log) == 4
        return log

    log = {line["path"]: line for line in await eventually(logged)}  # each process of nginx writes after its answer
    statuses = {path: line["status"] for path, line in log.items()}
    assert statuses == {"/v1/media/abc": 200, "/socket.io/": 200, "/nothing/here": 404, "/v1/feed": 400}
    media = log["/v1/media/abc"]
    assert (media["request_id"], media["agent"], media["from"]) == ("shown", 'quo"ted', "127.0.0.1")
    assert "secret" not in (nginx.folder / "access.log").read_text() + nginx.log()


async def test_without_a_healthy_server_there_is_a_503_that_says_when_to_come_back(start: Start) -> None:
    api, gateway = Listener("api", hangs_up=True), Listener("realtime-1", hangs_up=True)
    async with listening(api, gateway), aiohttp.ClientSession() as session:
        nginx = await start([api.server, "127.0.0.1:1"], {"realtime-1": gateway.server})
        door = Door(session, nginx.url)
        for path in ("/v1/feed?secret", "/docs", "/socket.io/?EIO=4&secret", "/socket.io/?sid=realtime-1.secret") * 3:
            answer = await door.ask("GET", path, headers={"X-Request-ID": "mine"})
            assert answer.refused(503, "unavailable").request_id == "mine"
            assert answer.headers["Retry-After"] == "2"
        (await door.ask("POST", "/v1/media", data=b"x" * 500_000)).refused(503, "unavailable")
        assert "secret" not in nginx.log()


async def test_only_what_may_be_done_twice_is_tried_again_elsewhere(start: Start) -> None:
    bad, good = Listener("bad", hangs_up=True), Listener("good")
    tries = 12
    async with listening(bad, good), aiohttp.ClientSession() as session:
        (nowhere,) = free_ports(1)
        nginx = await start(
            [bad.server, good.server, f"127.0.0.1:{nowhere}"], {"realtime-1": "127.0.0.1:1"}, adapt=_by_turns
        )
        door = Door(session, nginx.url)
        for method in ("GET", "PUT", "DELETE"):
            answers = [await door.ask(method, "/v1/posts/abc/like") for _ in range(tries)]
            assert {answer.status for answer in answers} == {200}, method
        for method in ("POST", "PATCH"):
            bad.heard.clear(), good.heard.clear()
            answers = [await door.ask(method, "/v1/posts/abc", {}) for _ in range(tries)]
            refused = [answer for answer in answers if answer.status != 200]
            assert len(refused) == len(bad.heard) > 0, method
            assert len(good.heard) == tries - len(refused) > 0
            assert {answer.status for answer in refused} == {503}


def _by_turns(conf: Path) -> None:
    """Check that requests go to the servers by turns."""
    topology = conf / "topology.conf"
    topology.write_text(topology.read_text().replace("least_conn;", ""))


async def test_a_body_has_its_size_and_only_a_picture_may_be_large(door: Door, api: Listener) -> None:
    assert (await door.ask("POST", "/v1/posts", data=b"x" * 65_536)).status == 200
    (await door.ask("POST", "/v1/posts", data=b"x" * 65_537)).refused(413, "too_large")
    (await door.ask("POST", "/socket.io/?EIO=4&sid=realtime-1.x", data=b"x" * 65_537)).refused(413, "too_large")
    assert (await door.ask("POST", "/v1/media", data=BytesIO(b"x" * (10 * 2**20 + 65_536)))).status == 200
    (await door.ask("POST", "/v1/media", data=BytesIO(b"x" * (11 * 2**20 + 1)))).refused(413, "too_large")
    assert [len(each.body) for each in api.heard] == [65_536, 10 * 2**20 + 65_536]


async def test_a_picture_is_passed_on_while_it_arrives(nginx: Nginx, api: Listener) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
    for path, passed in (("/v1/posts", False), ("/v1/media", True)):
        api.got.clear()
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc".encode())
        if passed:
            async with asyncio.timeout(60):
                while b"POST /v1/media" not in api.got:
                    await asyncio.sleep(0.01)
        else:
            await raw(nginx.port, b"GET /v1/feed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"GET /v1/feed" in api.got
            assert b"POST" not in api.got
        writer.write(b"def")
        assert b"200 OK" in await reader.readuntil(b"}")
        assert api.heard[-1].body == b"abcdef"
    writer.close()


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "malformed_request"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed_request"),
        (b"GET /v1/feed HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 9_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, "headers_too_large"),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed"),
    ],
)
async def test_what_nginx_refuses_is_a_problem_too(
    nginx: Nginx, api: Listener, request_: bytes, status: int, code: str
) -> None:
    head, _, body = (await raw(nginx.port, request_)).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Content-Type: application/problem+json" in head
    assert f'"status":{status},"code":"{code}"'.encode() in body
    assert b"nginx/" not in head + body
    assert not api.got


async def test_an_address_that_floods_must_wait_and_others_need_not(
    start: Start, api: Listener, gateways: dict[str, Listener]
) -> None:
    def narrow(conf: Path) -> None:
        """Set a rate that also a slow client exceeds."""
        limits = conf / "limits.conf"
        usual = limits.read_text()
        assert "rate=200r/s;" in usual
        assert "burst=400 " in usual
        limits.write_text(usual.replace("rate=200r/s;", "rate=1r/s;").replace("burst=400 ", "burst=20 "))

    nginx = await start([api.server], {"realtime-1": "127.0.0.1:1"}, unlimited=["127.0.0.2"], adapt=narrow)
    async with aiohttp.ClientSession() as session:
        door = Door(session, nginx.url)
        answers = await asyncio.gather(*(door.ask("GET", "/v1/feed") for _ in range(80)))
        refused = [answer for answer in answers if answer.status != 200]
        assert 0 < len(refused) < 80 - 20
        for answer in refused[:5]:
            answer.refused(429, "rate_limited")
            assert answer.headers["Retry-After"] == "1"
    exempt = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=exempt) as session:
        assert (await Door(session, nginx.url).ask("GET", "/v1/feed")).status == 200


async def test_an_address_holds_so_many_requests_at_once(start: Start, api: Listener) -> None:
    def narrow(conf: Path) -> None:
        limits = conf / "limits.conf"
        assert "limit_conn connections 1000;" in limits.read_text()
        limits.write_text(limits.read_text().replace("limit_conn connections 1000;", "limit_conn connections 5;"))

    nginx = await start([api.server], {"realtime-1": "127.0.0.1:1"}, unlimited=[], adapt=narrow)
    async with AsyncExitStack() as stack, aiohttp.ClientSession() as session:
        door = Door(session, nginx.url)
        begun = b"POST /v1/posts HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx"
        connections = [await asyncio.open_connection("127.0.0.1", nginx.port) for _ in range(10)]
        for _, writer in connections:
            stack.callback(writer.close)
            writer.write(begun)
        answers = [asyncio.create_task(reader.readline()) for reader, _ in connections]
        for refused in itertools.islice(asyncio.as_completed(answers), 5):
            assert b" 429 " in await refused
        assert [answer.done() for answer in answers].count(False) == 5
        (await door.ask("GET", "/v1/feed")).refused(429, "rate_limited")
        for _, writer in connections:
            writer.close()

        async def free() -> None:
            assert (await door.ask("GET", "/v1/feed")).status == 200

        await eventually(free)
        await asyncio.gather(*answers, return_exceptions=True)


@pytest.mark.parametrize("timeout_s", [600, 1], ids=["disturb nobody", "are cut"])
async def test_slow_clients_disturb_nobody_and_are_cut(start: Start, api: Listener, timeout_s: int) -> None:
    def adapt(conf: Path) -> None:
        limits = conf / "limits.conf"
        usual = limits.read_text()
        assert usual.count("_timeout 10s;") == 2
        limits.write_text(usual.replace("_timeout 10s;", f"_timeout {timeout_s}s;"))

    nginx = await start([api.server], {"realtime-1": "127.0.0.1:1"}, adapt=adapt)
    heads = [
        b"GET /v1/feed?slow HTTP/1.1\r\nHost: x\r\n",
        b"POST /v1/posts?slow HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
    ]
    slow = [await asyncio.open_connection("127.0.0.1", nginx.port) for _ in range(200)]
    for number, (_, writer) in enumerate(slow):
        writer.write(heads[number % 2])
    async with aiohttp.ClientSession() as session:
        door = Door(session, nginx.url)
        for _ in range(100):
            assert (await door.ask("GET", "/v1/feed")).status == 200
    if timeout_s == 1:
        async with asyncio.timeout(60):
            await asyncio.gather(*(_to_the_end(reader) for reader, _ in slow))
    else:
        assert not any(reader.at_eof() for reader, _ in slow)  # all of that with all of them there
    for _, writer in slow:
        writer.close()
    assert b"slow" not in api.got


async def _to_the_end(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(4_096):
            pass
    except ConnectionResetError:
        pass


async def test_with_a_certificate_it_speaks_tls(start: Start, api: Listener) -> None:
    (port,) = free_ports(1)

    def mount(conf: Path) -> None:
        (conf / "tls").mkdir(exist_ok=True)
        make = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
        ]
        subjects = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", conf / "tls/privkey.pem", "-out", conf / "tls/fullchain.pem"]
        subprocess.run([*make, *subjects, *files], check=True, capture_output=True)
        (conf / "tls/tls.conf").write_text((conf / "tls.conf").read_text().replace("8443", f"127.0.0.1:{port}"))

    nginx = await start([api.server], {"realtime-1": "127.0.0.1:1"}, adapt=mount)
    trust = ssl.create_default_context(cafile=nginx.folder / "conf/tls/fullchain.pem")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"https://localhost:{port}/v1/feed", ssl=trust) as answer:
            assert await answer.json() == {"by": "api"}
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert api.heard[-1].header("X-Forwarded-Proto") == ["https"]
        plain = await Door(session, nginx.url).ask("GET", "/v1/feed")
        assert "Strict-Transport-Security" not in plain.headers
        (await Door(session, f"http://localhost:{port}").ask("GET", "/v1/feed")).refused(400, "malformed_request")


def test_every_method_of_the_api_is_one_that_nginx_names() -> None:
    assert {route.method for service in ALL for route in service.routes} | {"HEAD", "OPTIONS"} == set(METHODS)
