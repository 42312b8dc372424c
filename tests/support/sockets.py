"""People with sockets, and the gateways they connect to."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any
from unittest.mock import patch

import aiohttp

from realtime.app import Gateway
from realtime.settings import GatewaySettings
from social.accounts import login
from social.contracts.codec import decode, encode
from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.contracts.people import Register
from social.contracts.pushes import Push, frame, user_room
from social.infra import clock
from social.infra.broker.outbox import Outbox
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks
from social.infra.redis.redis import connect, together
from social.infra.security.passwords import Passwords
from social.infra.security.refresh_tokens import RefreshTokens
from social.infra.security.tokens import Signer, Verifier, new_private_key
from social.infra.store.mongo import Mongo
from social.notifications import group_state, replay, streams
from social.notifications import groups as grouping
from social.posts import publishing
from support.databases import prepare
from support.eventually import LONG_S
from support.pace import within
from support.site import QUICK_HASH

numbers = itertools.count(1)

QUICK = {
    "realtime_host": "127.0.0.1",
    "realtime_port": 0,
    "drain_s": 0.2,
    "linger_s": 0.2,
    "pid_key": "k" * 32,
    "silence_s": 20,
}


class Nowhere:
    """A broker without consumers: the tests handle events themselves."""

    async def publish(self, envelopes: Sequence[Envelope]) -> None: ...

    def consume(self, group: Group, ahead: int, members: Any) -> Any:
        raise NotImplementedError

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


class Wire:
    """A Socket.IO client that shows every frame: over a websocket, one namespace."""

    def __init__(self, port: int, http: aiohttp.ClientSession) -> None:
        self.port = port
        self.events: list[list[Any]] = []
        self.connected: dict[str, Any] | None = None
        self.refused: dict[str, Any] | None = None
        self.closed = asyncio.Event()
        self.disconnected = False
        self._http = http
        self._changed = asyncio.Event()
        self._acks: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)

    async def open(self, auth: dict[str, Any]) -> "Wire":
        url = f"http://127.0.0.1:{self.port}/socket.io/?EIO=4&transport=websocket"
        self._socket = await self._http.ws_connect(url, autoping=False)
        self._reader = asyncio.create_task(self._read())
        await self._socket.send_str("40" + encode(auth).decode())
        await self.until(lambda: self.connected or self.refused or self.closed.is_set())
        return self

    @property
    def pid(self) -> str:
        assert self.connected
        return str(self.connected["pid"])

    @property
    def sid(self) -> str:
        assert self.connected
        return str(self.connected["sid"])

    @property
    def offset(self) -> str | None:
        """Return the offset as the official client keeps it: the last argument of the last event, if a string."""
        return next((args[-1] for args in reversed(self.events) if isinstance(args[-1], str)), None)

    def named(self, event: str) -> list[Any]:
        return [args[1] for args in self.events if args[0] == event]

    async def until(self, true: Callable[[], Any], timeout_s: float = LONG_S) -> Any:
        async with asyncio.timeout(timeout_s):
            while not (found := true()):
                self._changed.clear()
                await self._changed.wait()
            return found

    async def event(self, name: str, count: int = 1, timeout_s: float = LONG_S) -> Any:
        """Return the `count`-th event of this name, once it is there."""
        await self.until(lambda: len(self.named(name)) >= count, timeout_s)
        return self.named(name)[count - 1]

    async def disconnected_for_good(self, timeout_s: float = LONG_S) -> None:
        """Wait for DISCONNECT, after which official clients do not come back by themselves."""
        await self.until(lambda: self.disconnected, timeout_s)

    async def ask(self, event: str, data: Any = None) -> Any:
        number = next(self._ids)
        future = self._acks[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_str(f"42{number}" + encode([event] if data is None else [event, data]).decode())
        async with asyncio.timeout(LONG_S):
            return await future

    async def send(self, text: str) -> None:
        await self._socket.send_str(text)

    def drop(self) -> None:
        """Lose the network: the connection is aborted, not closed."""
        self._reader.cancel()
        connection = self._socket._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        self._socket._response.close()

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            await self._receive(str(message.data))
            self._changed.set()
        self.closed.set()
        self._changed.set()

    async def _receive(self, text: str) -> None:
        if text == "2":
            await self._socket.send_str("3")
        elif text.startswith("40"):
            self.connected = decode(text[2:])
        elif text.startswith("44"):
            self.refused = decode(text[2:])
        elif text.startswith("41"):
            self.disconnected = True
        elif text.startswith("42"):
            self.events.append(decode(text[2:]))
        elif text.startswith("43"):
            head, _, body = text[2:].partition("[")
            self._acks.pop(int(head)).set_result(decode("[" + body)[0])


class Person:
    """A person with an account and a login."""

    def __init__(self, world: "World", tokens: Any) -> None:
        self.world = world
        self.tokens = tokens
        self.id = tokens.user.id
        self.username = tokens.user.username
        self.token = tokens.access_token

    async def connect(self, gateway: Gateway, **auth: Any) -> Wire:
        return await self.world.wire(gateway.port, {"token": self.token, **auth})

    async def back(self, wire: Wire, gateway: Gateway, **auth: Any) -> Wire:
        """Connect the client again, with the state it kept."""
        kept = {"pid": wire.pid} | ({"offset": wire.offset} if wire.offset else {})
        return await self.connect(gateway, **{**kept, **auth})

    async def publish(self, text: str = "hello") -> str:
        post = await self.world.plaza.commit(publishing.publish, text, by=self.id)
        return str(post.id)


class World:
    """A store, a Redis, and the people who connect."""

    def __init__(self, mongo_url: str, database: str, redis_url: str, http: aiohttp.ClientSession) -> None:
        self.mongo_url, self.database, self.redis_url = mongo_url, database, redis_url
        self._http = http
        self._stack = AsyncExitStack()
        self.store_timeout_s = 20.0
        self.pem = new_private_key()
        signer = Signer(self.pem)
        self.verifier = Verifier(signer.jwks)
        self.keys = login.TokenIssuer(
            signer=signer, refresh=RefreshTokens(b"r" * 32), passwords=Passwords(), verifier=self.verifier
        )

    async def __aenter__(self) -> "World":
        self._stack.enter_context(patch("social.infra.security.passwords._hasher", QUICK_HASH))
        self.plaza = self.new_social()
        await prepare(self.plaza.mongo)
        await self.plaza.revocations.poll()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        await self.plaza.close()

    def new_social(self) -> Plaza:
        mongo = Mongo(self.mongo_url, self.database, timeout_s=self.store_timeout_s)
        return Plaza.over(mongo, self.new_redis(), Nowhere(), Outbox(mongo))

    def new_redis(self) -> Any:
        return connect(self.redis_url)

    async def gateway(self, **settings: Any) -> Gateway:
        """Start a gateway with its own connections, as a process of its own would have."""
        plaza, tasks = self.new_social(), Tasks()
        gateway = Gateway(GatewaySettings(**{**QUICK, **settings}), plaza, self.verifier, tasks)
        plaza.start(tasks)
        await gateway.start()

        async def stop() -> None:
            await gateway.stop()
            await tasks.cancel()
            await plaza.close()
            assert not tasks.failed
            assert not tasks.restarts

        self._stack.push_async_callback(stop)
        async with asyncio.timeout(LONG_S):
            while not gateway.redis_channels.up and gateway.settings.beat_s <= 1:
                await asyncio.sleep(0.01)
        return gateway

    async def person(self, name: str) -> Person:
        ask = Register(
            username=f"{name}{next(numbers)}",
            email=f"{name}{next(numbers)}@example.org",
            password="a word, and another",
        )
        return Person(self, await login.register(self.plaza, self.keys, ask))

    async def wire(self, port: int, auth: dict[str, Any]) -> Wire:
        wire = await Wire(port, self._http).open(auth)
        self._stack.push_async_callback(wire.close)
        return wire

    async def within(self, seconds: float, waiting: Awaitable[object]) -> None:
        """Await something; raises AssertionError where it takes longer and the store was not what took so long."""
        await within(seconds, waiting, self.plaza.mongo.ping)

    async def remembers(self, wire: Wire, rooms: int = 1) -> None:
        """Wait until Redis has so many rooms of a socket, for its return: they are kept beside the answers."""

        redis = self.plaza.redis

        async def kept() -> bool:
            return int(await redis.scard(f"watched:{together(redis, wire.sid)}")) == rooms

        await until(kept)

    async def like(self, post_id: str, *, by: Person, author: Person) -> None:
        """Do what the notifications worker does with a like: the fact, its place in the stream, the push."""
        await self.record(post_id, by=by, author=author)
        await self.push(author)

    async def record(self, post_id: str, *, by: Person, author: Person) -> None:
        """Do what the notifications worker does but for the push, as when Redis loses that."""
        cause = group_state.Trigger("like", "post", post_id, by.id, author.id, post_id)
        await self.plaza.commit(_notify, cause)
        group = {"slot": cause.slot}
        row = await self.plaza.mongo.one("notifications", group)
        assert row is not None
        event = "notification" if row["rev"] == 1 else "notification.updated"
        await streams.append(self.plaza.mongo, author.id, [streams.Entry(row["_id"], row["rev"], event)])

    async def push(self, to: Person, *, seq: int | None = None) -> None:
        """Publish a stream event, by default the newest."""
        row = await self.plaza.mongo.one("streams", {"_id": to.id})
        assert row is not None
        item = next(each for each in streams.items_of(row) if each.s == (seq or row["seq"]))
        (event,) = await replay.render(self.plaza.mongo, to.id, [item])
        encoded = frame(event.event, event.data, f"{row['epoch']}.{event.seq}")
        push = Push("S", clock.millis(clock.now()), row["epoch"], event.seq, "", encoded)
        await self.plaza.pushes.send([(user_room(to.id), push.encode())])


async def _notify(tx: Any, cause: group_state.Trigger) -> None:
    changes = grouping.GroupChanges(tx)
    await changes.change(await changes.facts([cause]), notify=[cause], withdraw=())
    changes.write(changes.changed(), clock.now())


async def until(true: Callable[[], Any] | Callable[[], Awaitable[Any]], timeout_s: float = LONG_S) -> Any:
    """Wait until something is true."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = true()
            found = await found if asyncio.iscoroutine(found) else found
            if found:
                return found
            await asyncio.sleep(0.01)
