"""Official clients against a Socket.IO server on each engine."""

import asyncio
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import socketio
from support.eventually import LONG_S

from realtime.socketio.admission import Admission
from realtime.socketio.packets import UNREADABLE
from realtime.socketio.server import ConnectionRefused

SCRIPT = Path(__file__).with_name("official_client.mjs")


@pytest.fixture
async def sio(server, start):
    # The client may be a process of its own, which a busy machine lets wait before it answers a ping.
    sio = server({"ping_interval_s": 0.3, "ping_timeout_s": 3.0}, namespaces=["/", "/custom"])

    async def connect(sid, environ, auth):
        if auth and auth.get("refuse"):
            raise ConnectionRefused("not you", {"code": "invalid_token"})

    async def echo(sid, *arguments):
        return (list(arguments),)

    for namespace in ("/", "/custom"):
        sio.on("connect", connect, namespace)
        sio.on("echo", echo, namespace)

    @sio.on("ask me")
    async def ask(sid):
        return "answer of " + await sio.call("question", to=sid, timeout=LONG_S)

    @sio.on("7")
    async def seven(sid):
        return "seven"

    @sio.on("how deep")
    async def how_deep(sid, *arguments):
        return "too deep" if arguments[0] is UNREADABLE else "shallow"

    @sio.on("count to")
    async def count_to(sid, end):
        await sio.enter_room(sid, f"room of {sid}")
        for number in range(end):
            await sio.emit("n", number, room=f"room of {sid}" if number % 2 else sid)

    @sio.on("count slowly to")
    async def count_slowly_to(sid, end):
        for number in range(end):
            await sio.emit("n", number, to=sid)
            await asyncio.sleep(0.001)

    @sio.on("count and disconnect me")
    async def count_and_disconnect(sid, end):
        for number in range(end):
            await sio.emit("n", number, to=sid)
        await sio.disconnect(sid)
        for eio_sid in list(sio.engine.sessions):  # as a gateway does for clients that do not close it themselves
            sio.engine.close(eio_sid)

    @sio.on("cut me")
    async def cut(sid):
        sio.abort(sid)

    @sio.on("disconnect me")
    async def disconnect(sid):
        await sio.disconnect(sid)

    recover(sio)
    sio.client = await start(sio, sio.engine)
    return sio


@dataclass
class Stream:
    """The events that were sent to one user."""

    items: list[bytes] = field(default_factory=list)
    room: bool = False
    pusher: asyncio.Task | None = None


def recover(sio):
    """Build connection state recovery in its smallest form, on the hooks that the server has for it."""
    streams: dict[str, Stream] = {}
    default = sio.authorize

    async def authorize(eio_sid, namespace, auth, environ):
        if namespace != "/recovering":
            return await default(eio_sid, namespace, auth, environ)
        pid = (auth or {}).get("pid") or f"p{len(streams)}"
        stream = streams.setdefault(pid, Stream())
        seen = int((auth or {}).get("offset", 0))
        await asyncio.sleep(0.005)

        def connected(sid):
            for frame in stream.items[seen:]:
                sio.send_frame(sid, frame, namespace)
            sio.enter(sid, "mine", namespace)
            if stream.pusher is None:
                stream.pusher = asyncio.create_task(push(sid, stream))

        return Admission(sid=f"sid of {pid}", answer={"pid": pid}, connected=connected)

    async def push(sid, stream):
        while True:
            number = len(stream.items) + 1
            stream.items.append(b'42/recovering,["item",%d,"%d"]' % (number, number))
            sio.send_frame(sid, stream.items[-1], "/recovering")
            await asyncio.sleep(0.002)

    async def stop(sid):
        stream = streams[sid.removeprefix("sid of ")]
        stream.pusher.cancel()
        return len(stream.items)

    async def room_is_back(sid):
        return "mine" in sio.rooms(sid, "/recovering")

    async def cut(sid):
        sio.abort(sid, "/recovering")

    sio.namespaces = [*sio.namespaces, "/recovering"]
    sio.authorize = authorize
    for event, handler in (("stop", stop), ("is my room back", room_is_back), ("cut me", cut)):
        sio.on(event, handler, "/recovering")


@pytest.mark.parametrize(
    "scenario",
    [
        "polling",
        "websocket",
        "upgrade",
        "refusal",
        "namespaces",
        "reconnect",
        "disconnected",
        "heartbeat",
        "recovery",
        "many",
        "base64",
        "halves",
    ],
)
async def test_the_official_javascript_client(sio, scenario):
    node = shutil.which("node")
    if node is None or not any((parent / "node_modules" / "socket.io-client").exists() for parent in SCRIPT.parents):
        if os.environ.get("CI") == "true":
            pytest.fail("node and its packages are wanted here")
        pytest.skip("no node, or no node_modules: make test installs them")
    child = await asyncio.create_subprocess_exec(
        node,
        str(SCRIPT),
        str(sio.client.port),
        scenario,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(child.communicate(), 2 * LONG_S)
    assert child.returncode == 0, output.decode()
    await sio.client.until(lambda: not sio.engine.sessions)
    assert (sio.manager.members, sio.manager.rooms, sio.environ) == ({}, {}, {})


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_python_client(sio, transports):
    client = socketio.AsyncClient(reconnection=False)
    got, done = [], asyncio.Event()

    @client.on("question")
    async def question():
        return "question"

    @client.on("n")
    async def number(n):
        got.append(n)
        if len(got) == 30:
            done.set()

    await client.connect(f"http://127.0.0.1:{sio.client.port}", transports=transports, auth={"token": "t"})
    assert await client.call("echo", ("a", b"\1\2", {"b": [b"\3"]})) == ["a", b"\1\2", {"b": [b"\3"]}]
    assert await client.call("ask me") == "answer of question"
    await client.emit("count to", 30)
    await asyncio.wait_for(done.wait(), LONG_S)
    assert sorted(got) == list(range(30))  # its handlers run as tasks of their own
    await client.disconnect()
    await sio.client.until(lambda: not sio.engine.sessions)


async def test_the_python_client_hears_why_it_was_refused(sio):
    client = socketio.AsyncClient(reconnection=False)
    errors = []
    client.on("connect_error", errors.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(f"http://127.0.0.1:{sio.client.port}", transports=["websocket"], auth={"refuse": True})
    assert errors[0]["data"] == {"code": "invalid_token"}


@pytest.mark.parametrize("transports", [["polling"], ["websocket"]])
@pytest.mark.parametrize("emits", [13, 14, 15, 50])
async def test_the_python_client_gets_all_that_was_sent_before_it_is_disconnected(sio, http, transports, emits):
    client = socketio.AsyncClient(reconnection=False, http_session=http)
    got: list[int] = []
    ended = asyncio.Event()

    @client.on("disconnect")
    async def disconnected(reason):
        ended.set()

    client.on("n", got.append)
    await client.connect(f"http://127.0.0.1:{sio.client.port}", transports=transports)
    await client.emit("count and disconnect me", emits)
    await asyncio.wait_for(ended.wait(), LONG_S)
    await client.disconnect()
    assert got == list(range(emits))
