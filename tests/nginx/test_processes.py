"""nginx with real processes: two of the API and three gateways."""

import asyncio
import contextlib
import itertools
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import socketio
from conftest import require, run, serve
from support.browser import page
from support.eventually import eventually
from support.nginx import Nginx, before, raw
from support.people import Door, Person
from support.ports import free_ports
from support.processes import Program
from support.servers import DocumentStore, RedisServer
from support.site import PLENTY
from support.smuggling import ATTACKS
from support.sockets import Wire

from devtools.generate.nginx import Topology
from social.contracts.posts import Post
from social.infra.security.keyfiles import make_keys
from social.infra.store.mongo import Mongo
from social.infra.store.schema import migrate

APIS = ("api-1", "api-2")
GATEWAYS = ("realtime-1", "realtime-2", "realtime-3")
LOGINS = 3  # from one address
numbers = itertools.count(1)


@dataclass
class Running:
    """The processes, and their nginx."""

    nginx: Nginx
    programs: dict[str, Program]
    addresses: dict[str, str]

    def topology(self, *without: str) -> Topology:
        """Return the topology of all processes but some."""
        there = {name: at for name, at in self.addresses.items() if name not in without}
        return before([at for name, at in there.items() if name in APIS], {n: there[n] for n in GATEWAYS if n in there})

    async def up(self, name: str) -> None:
        """Start a process unless it runs."""
        program = self.programs[name]
        if program.process is None or program.process.poll() is not None:
            program.start()
        await program.answering(f"http://{self.addresses[name]}/readyz")


@pytest.fixture(scope="module")
def processes(
    tmp_path_factory: pytest.TempPathFactory, document_store: DocumentStore, redis_server: RedisServer
) -> Iterator[Running]:
    """All processes, started once for this module. RabbitMQ is away: no test here needs a delivery."""
    require(Nginx)
    run(document_store.start())
    run(redis_server.start())
    folder = tmp_path_factory.mktemp("cluster")
    make_keys(folder / "keys")
    servers: dict[str, Any] = {
        "MONGO_URL": document_store.url,
        "MONGO_DATABASE": f"test_{uuid4().hex[:12]}",
        "REDIS_URL": redis_server.url,
        "BROKER_URL": "amqp://guest:guest@127.0.0.1:1/",
        "DRAIN_S": 1,
    }
    gateway = {
        "JWT_JWKS": folder / "keys/jwks.json",
        "PID_KEY": "k" * 32,
        "EVENTS_PER_S": 10_000,
        "EVENTS_BURST": 10_000,
        "RATE_USER": PLENTY["rate_user"],
        "TRUSTED_PROXIES": "127.0.0.1/32",
    }
    api = {"JWT_PRIVATE_KEY_FILE": folder / "keys/jwt.pem", "REFRESH_KEY_FILE": folder / "keys/refresh.key"}
    api |= {policy.upper(): rate for policy, rate in PLENTY.items()}
    api |= {"TRUSTED_PROXIES": "127.0.0.1/32", "RATE_LOGIN": f"{LOGINS}/3600"}
    ports = dict(zip((*APIS, *GATEWAYS), free_ports(5), strict=True))
    programs = {}
    for name, port in ports.items():
        module = name.partition("-")[0]
        own: dict[str, Any] = {f"{module.upper()}_HOST": "127.0.0.1", f"{module.upper()}_PORT": port, "NODE_NAME": name}
        (folder / name).mkdir()
        programs[name] = Program(module, folder=folder / name, **servers, **(api if name in APIS else gateway), **own)
    addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    running = Running(Nginx(folder / "nginx", before([], {})), programs, addresses)
    running.nginx = Nginx(folder / "nginx", running.topology())

    async def stop() -> None:
        for program in programs.values():
            await program.kill()

    async def start() -> None:
        for program in programs.values():
            program.start()
        mongo = Mongo(document_store.url, servers["MONGO_DATABASE"])
        await migrate(mongo)
        mongo.close()
        for name in programs:
            await running.up(name)

    try:
        run(start())
        for _ in serve(running.nginx):
            yield running
    finally:
        run(stop())


@pytest.fixture
async def running(processes: Running) -> Running:
    """All processes, started again where an earlier test stopped some."""
    for name in processes.programs:
        await processes.up(name)
    return processes


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest.fixture
async def ada(running: Running, http: aiohttp.ClientSession) -> Person:
    """Ada, registered through nginx."""
    return await Door(http, running.nginx.url).register(f"ada{next(numbers)}")


async def test_the_tour_leads_through_nginx(running: Running, ada: Person) -> None:
    post = await ada.publish("hello, plaza")
    assert (await ada.like(post)).liked
    await ada.comment(post, "nice")
    assert [each.text for each in (await ada.comments(post)).items] == ["nice"]
    answer = await ada.ask("GET", "/v1/feed", headers={"X-Request-ID": "mine"})
    assert answer.headers["X-Request-ID"] == "mine"
    for path in (
        "/docs",
        "/docs/likes",
        "/docs/assets/swagger-ui.css",
        "/openapi.json",
        "/docs/postman-collection.json",
    ):
        assert (await ada.ask("GET", path)).status == 200, path
    assert (await ada.ask("GET", "/.well-known/jwks.json")).status == 200
    index = await ada.ask("GET", "/")
    assert b'name="plaza-gateway-port" content=""' in index.raw, "sockets of the page go through nginx"
    assert "connect-src 'self';" in index.headers["Content-Security-Policy"]
    (script,) = re.findall(rb'src="\./(app/[^"]+/main\.js)"', index.raw)
    assert "immutable" in (await ada.ask("GET", f"/{script.decode()}")).headers["Cache-Control"]
    (await ada.ask("GET", f"/v1/posts/{'0' * 24}")).refused(404, "not_found")
    (await ada.ask("GET", "/metrics")).refused(404, "not_found")


async def test_the_address_that_logins_are_counted_by_is_the_one_nginx_saw(running: Running) -> None:
    wrong = {"username": "nobody", "password": "wrong"}
    for address in ("127.0.0.2", "127.0.0.3"):
        connector = aiohttp.TCPConnector(local_addr=(address, 0))
        async with aiohttp.ClientSession(connector=connector) as session:
            door = Door(session, running.nginx.url)
            forged = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(LOGINS + 1)]
            answers = [await door.ask("POST", "/v1/auth/login", wrong, headers=each) for each in forged]
            assert [answer.status for answer in answers] == [401] * LOGINS + [429]


async def test_a_picture_is_refused_before_it_has_arrived_and_the_reason_comes_through(
    running: Running, ada: Person
) -> None:
    """The test uses bare connections: aiohttp's client can miss an answer that comes while it still sends."""
    head = "POST /v1/media HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\nContent-Type: text/plain\r\n"
    token = f"Authorization: Bearer {ada.tokens.access_token}\r\n"
    for said, code in [("", b'"invalid_token"'), (token, b'"unsupported_media_type"')] * 5:
        answer = await raw(running.nginx.port, f"{head}{said}\r\n".encode(), b"x" * 3_000_000)
        assert code in answer
    assert (await ada.ask("GET", "/v1/users/me")).status == 200


async def test_a_page_that_nginx_serves_is_of_our_own_origin(running: Running, ada: Person) -> None:
    for own in (running.nginx.url, running.nginx.url.replace("http", "ws"), running.nginx.url.upper()):
        answer = await ada.ask("GET", "/v1/users/me", headers={"Origin": own})
        assert answer.headers["Access-Control-Allow-Origin"] == own
    for other in ("http://127.0.0.1", f"http://127.0.0.1:{running.nginx.port + 1}"):
        forged = {"Origin": other, "X-Forwarded-Host": other.removeprefix("http://")}
        assert "Access-Control-Allow-Origin" not in (await ada.ask("GET", "/v1/users/me", headers=forged)).headers
        assert (await ada.ask("GET", "/socket.io/?EIO=4&transport=polling", headers=forged)).status == 403
    client = socketio.Client(reconnection=False)  # sends the server's address as its Origin

    def talk() -> tuple[str, bool]:
        client.connect(running.nginx.url, auth={"token": ada.tokens.access_token}, wait_timeout=60)
        try:
            return client.transport(), client.call("sync", {"after": "x"}, timeout=60)["ok"]
        finally:
            client.disconnect()

    assert await asyncio.to_thread(talk) == ("websocket", True)


async def test_polling_clients_stay_with_their_gateway(running: Running, ada: Person) -> None:
    post = await ada.publish("hello")
    begun = len(running.nginx.requests())
    async with contextlib.AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(page()) for _ in range(3)]
        token = ada.tokens.access_token
        await asyncio.gather(*(each.connect(running.nginx.port, token, transports=["polling"]) for each in pages))
        for _ in range(3):
            answers = await asyncio.gather(*(each.ask("post.watch", {"post_id": post.id}) for each in pages))
            assert all(answer["ok"] for answer in answers)
        pythons = socketio.AsyncClient(reconnection=False)
        await pythons.connect(running.nginx.url, auth={"token": token}, transports=["polling"])
        for _ in range(3):
            assert (await pythons.call("post.watch", {"post_id": post.id}))["ok"]
        assert [len(each.all("connect")) for each in pages] == [1, 1, 1]

        def polls() -> list[dict[str, Any]]:
            return [line for line in running.nginx.requests()[begun:] if line["path"] == "/socket.io/"]

        async def seen() -> None:
            assert {line["upstream"] for line in polls()} == {running.addresses[name] for name in GATEWAYS}

        await eventually(seen)
        assert {line["status"] for line in polls()} <= {200, 499, 0}  # later polls may find their session ended
        await pythons.disconnect()


async def test_a_polling_client_becomes_a_websocket(running: Running, ada: Person) -> None:
    async with page() as hers:
        for number in range(1, 4):
            await hers.connect(running.nginx.port, ada.tokens.access_token)

            async def upgraded() -> None:
                await hers.do(transport=True)
                await hers.next("transport", len(hers.all("transport")) + 1)
                assert hers.all("transport")[-1] == "websocket"

            await eventually(upgraded)
            assert (await hers.ask("sync", {"after": "nowhere.0"}))["ok"] is True
            assert len(hers.all("connect")) == number


async def test_clients_of_a_killed_gateway_come_back_through_another(running: Running, ada: Person) -> None:
    async with contextlib.AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(page()) for _ in GATEWAYS]
        first = [
            await each.connect(running.nginx.port, ada.tokens.access_token, transports=["polling"]) for each in pages
        ]
        await running.programs["realtime-2"].kill()

        async def one_is_back() -> None:
            assert [len(each.all("connect")) for each in pages].count(2) == 1

        await eventually(one_is_back)
        for each, begun in zip(pages, first, strict=True):
            assert (await each.ask("sync", {"after": "nowhere.0"}))["ok"]
            assert each.all("connect")[1:] in ([], [{"sid": begun["sid"], "recovered": True}])


async def test_nobody_new_is_refused_while_a_gateway_stops(
    running: Running, ada: Person, http: aiohttp.ClientSession
) -> None:
    token = {"token": ada.tokens.access_token}
    old = [await Wire(running.nginx.port, http).open(token) for _ in range(6)]
    stopping = asyncio.create_task(running.programs["realtime-1"].signal(signal.SIGTERM))
    drained = await eventually(lambda: _somebody_is_drained(old))
    new = []
    while not stopping.done():
        new.append(await Wire(running.nginx.port, http).open(token))
        assert new[-1].connected
        await new[-1].close()
    assert (await stopping).code == 0
    assert len(new) > 10
    assert drained
    for each in old:
        await each.close()


async def _somebody_is_drained(wires: list[Wire]) -> list[Wire]:
    drained = [wire for wire in wires if wire.named("drain")]
    assert drained
    return drained


async def test_reloading_under_load_loses_no_write_and_drops_no_request(
    running: Running, ada: Person, http: aiohttp.ClientSession
) -> None:
    """A client may find its idle connection closed, as always; then it retries under its key."""
    wires = [await Wire(running.nginx.port, http).open({"token": ada.tokens.access_token}) for _ in range(6)]
    over = asyncio.Event()
    written: list[Post] = []
    seen: Counter[str] = Counter()

    async def write(session: aiohttp.ClientSession, tries: int) -> None:
        author = await Door(session, running.nginx.url).register(f"author{next(numbers)}")
        while not over.is_set():
            key = uuid4().hex
            for left in reversed(range(tries)):
                try:
                    written.append(await author.publish("one more", key=key))
                    break
                except aiohttp.ClientConnectionError:
                    seen["closed"] += 1
                    if not left:
                        raise

    async def ask(wire: Wire) -> None:
        while not over.is_set():
            assert (await wire.ask("sync", {"after": "nowhere.0"}))["ok"]
            seen["acks"] += 1

    fresh = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
    async with fresh, page() as polls, asyncio.TaskGroup() as tasks:
        await polls.connect(running.nginx.port, ada.tokens.access_token, transports=["polling"])
        for session, tries in ((fresh, 1), (fresh, 1), (http, 2), (http, 2)):
            tasks.create_task(write(session, tries))
        for wire in wires:
            tasks.create_task(ask(wire))
        for without in ((), ("api-1",), ("api-2",), ()):
            await _more(written)
            await running.nginx.reload(running.topology(*without))
            assert (await polls.ask("sync", {"after": "nowhere.0"}))["ok"]
        await _more(written)
        over.set()
    assert not any(wire.closed.is_set() for wire in wires)
    assert seen["acks"] > 100
    assert all(back["recovered"] for back in polls.all("connect")[1:])
    for post in written:
        assert (await ada.see(post)).text == "one more"
    for wire in wires:
        await wire.close()


async def _more(written: list[Post]) -> None:
    enough = len(written) + 10
    async with asyncio.timeout(60):
        while len(written) < enough:
            await asyncio.sleep(0.01)


async def test_no_hidden_request_is_answered_and_no_answer_goes_to_another(running: Running, ada: Person) -> None:
    attacks = iter(ATTACKS.items())

    async def attack() -> None:
        for name, sent in attacks:
            answer = await raw(running.nginx.port, sent, quiet_s=0.3, answered=False)
            assert b"plaza_" not in answer, name  # what /metrics would say

    async def live() -> None:
        while not over.is_set():
            name = uuid4().hex
            answer = await ada.ask("GET", "/v1/users/me", headers={"X-Request-ID": name})
            assert (answer.status, answer.headers["X-Request-ID"]) == (200, name)
            poll = await ada.ask("GET", f"/socket.io/?EIO=4&transport=polling&sid=realtime-2.{name}")
            assert poll.body == {"code": 1, "message": "Session ID unknown"}

    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        living = [tasks.create_task(live()) for _ in range(2)]
        await asyncio.gather(*(attack() for _ in range(8)))
        over.set()
        await asyncio.gather(*living)
