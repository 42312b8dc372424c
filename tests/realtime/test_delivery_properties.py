"""With any push lost, doubled or late, and any connection lost, a client has its whole stream, or must fetch again."""

import asyncio
import os
from typing import Any, cast

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import LogCapture

from realtime import delivery, resume
from realtime.background import Background
from realtime.delivery import Delivery
from realtime.limits import Bucket
from realtime.sockets import Socket, Sockets
from social.contracts.codec import decode
from social.contracts.problems import Unavailable
from social.contracts.pushes import Push, user_room
from social.infra.observe import logs
from social.infra.security.tokens import Access
from social.infra.store.mongo import Mongo, Reader, Transaction
from social.infra.store.rows import StreamRow
from social.infra.store.ttl_cache import TtlCache
from social.notifications import replay, streams

EXAMPLES = int(os.environ.get("PLAZA_EXAMPLES", "500"))
WINDOW = 6
USER = "a" * 24


class Store:
    """A stream in memory, under the names that `streams` calls; every answer lets others run first."""

    def __init__(self) -> None:
        self.memory = TtlCache()
        self.row: dict[str, Any] = {"_id": USER, "epoch": "epoch001", "seq": 0, "entries": [], "items": []}
        self.away = False

    async def _answer(self, found: Any) -> Any:
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable
        return found

    async def one(self, _collection: str, _where: Any, _fields: Any = None) -> Any:
        return await self._answer({**self.row, "entries": list(self.row["entries"])})

    async def many(self, *_: Any, **__: Any) -> list[Any]:
        return []

    async def count(self, *_: Any, **__: Any) -> int:
        return 0

    async def get_many(self, collection: str, ids: Any, _fields: Any = None) -> Any:
        return dict.fromkeys(ids, await self.one("streams", {})) if collection == "streams" else {}

    async def transact(self, verb: Any) -> Any:
        """Run a verb until the stream has not moved between its read and its write."""
        while True:
            tx = Transaction(cast(Reader, self))
            result = await verb(tx)
            if all(self._written(write.statement) for write in tx.writes):
                return result, tx

    def _written(self, update: Any) -> bool:
        where, change = update["q"], update["u"]
        if where["seq"] != self.row["seq"]:
            return False
        self.row["seq"] = change["$set"]["seq"]
        pushed = change["$push"]["entries"]
        self.row["entries"] = (self.row["entries"] + pushed["$each"])[pushed["$slice"] :]
        return True

    def majority(self, _collection: str) -> "Store":
        return self

    async def get_of_majority(self, *_: Any) -> Any:
        return await self.one("streams", {})

    def find(self, *_: Any) -> "Store":
        return self

    async def to_list(self, _length: Any) -> Any:
        return [await self.one("streams", {})]


class World:
    """A person's stream, a client of theirs, and the gateway that it is connected to."""

    def __init__(self) -> None:
        self.store = Store()
        self.mongo = cast(Mongo, self.store)
        self.background = Background()
        self.sockets = Sockets()
        self.delivery = Delivery(self.mongo, self.sockets, self, self.background, abort=self.abort, most_unread=100)
        self.socket: Socket | None = None
        self.pid: resume.Pid | None = None
        self.offset: str | None = None  # as the client keeps it
        self.seen: list[int] = []  # what the client has, without what it fetched otherwise
        self.expected_from = 0  # what came before was fetched
        self.slow = False  # the client takes a frame only now and then
        self.unread = 0

    # the server's side of the client's connection

    def send_frame(self, sid: str, frame: bytes) -> bool:
        if self.socket is not None and sid == self.socket.sid:
            _, data, self.offset = decode(frame[2:])
            self.seen.append(int(data["ids"][0], 16))
            self.unread += 100 if self.slow else 0
        return True

    def buffered(self, sid: str) -> int:
        unread, self.unread = self.unread, max(0, self.unread - 40)
        return unread

    def publish_frame(self, room: str, frame: bytes, skip: Any = ()) -> None: ...

    def count(self, room: str) -> int:
        return 0

    def abort(self, socket: Socket) -> None:
        socket.ended = True
        self.sockets.remove(socket)
        if socket is self.socket:
            self.socket = None

    # what can happen

    async def happen(self, *, pushed: bool) -> None:
        """Append an event to the stream; its push arrives, or gets lost."""
        seq = self.store.row["seq"] + 1
        await streams.append(self.mongo, USER, [streams.Entry(f"read:{seq:024x}", 1, "notifications.read")])
        if pushed:
            self.push(seq)

    def push(self, seq: int) -> None:
        """Deliver a push, perhaps late, perhaps again."""
        items = [each for each in streams.items_of(cast(StreamRow, self.store.row)) if each.s == seq]
        if items:
            data = b'42["notifications.read",{"ids":["%024x"]},"epoch001.%d"]' % (seq, seq)
            self.delivery.pushed(user_room(USER), Push("S", 1, "epoch001", seq, "", data).encode())

    async def connect(self, *, remembers: bool, meanwhile: list[int]) -> None:
        """Connect the client, or reconnect it; some pushes arrive while its stream is read."""
        if self.socket is not None:
            self.abort(self.socket)
        socket = Socket(Access(USER, "b" * 24, 0), "", Bucket(1, 1))
        socket.sid = "sid"
        self.sockets.add_connecting(socket)
        try:
            if self.pid is None or not remembers:
                position, missed = await streams.position(self.mongo, USER), None
            else:
                missed = await replay.since(self.mongo, USER, resume.position(self.pid, self.offset))
                position = missed.position
                if not missed.recovered:
                    missed = None
        except Unavailable:
            self.sockets.remove(socket)
            return
        for seq in meanwhile:
            await self.happen(pushed=False)
            self.push(seq)
        if missed is None:  # the client fetches everything, as of now or later
            self.expected_from = position.seq
            self.seen.clear()
            self.offset = None if self.pid is None else self.offset  # the official client keeps the old one
            self.pid = resume.Pid("sid", USER, "b" * 24, *position, "node", 0)
        self.socket = socket
        socket.connected = True
        self.sockets.add(socket)
        self.delivery.begin(socket, missed, position)

    async def settle(self) -> None:
        self.store.away = self.slow = False
        for _ in range(3):
            await self.delivery.reread("sweep")
            for _ in range(60):
                await asyncio.sleep(0)

    def check(self) -> None:
        """Check that the client has no gap, no event twice, and none out of order."""
        start = self.expected_from + 1
        assert self.seen == list(range(start, start + len(self.seen)))


seqs = st.integers(1, 40)
steps = st.one_of(
    st.tuples(st.just("happen"), st.booleans()),
    st.tuples(st.just("happen"), st.booleans()),
    st.tuples(st.just("push"), seqs),
    st.tuples(st.just("leave")),
    st.tuples(st.just("connect"), st.booleans(), st.lists(seqs, max_size=3)),
    st.tuples(st.just("return"), st.lists(seqs, max_size=3)),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("store"), st.booleans()),
    st.tuples(st.just("slow"), st.booleans()),
    st.tuples(st.just("turn"), st.integers(1, 5)),
)


async def live(script: list[tuple[Any, ...]]) -> None:
    world = World()
    for step in script:
        match step:
            case ("happen", pushed):
                away, world.store.away = world.store.away, False
                await world.happen(pushed=pushed)
                world.store.away = away
            case ("push", seq):
                world.push(seq)
            case ("leave",):
                if world.socket is not None:
                    world.abort(world.socket)
            case ("connect", remembers, meanwhile):
                away, world.store.away = world.store.away, False
                await world.connect(remembers=remembers, meanwhile=meanwhile)
                world.store.away = away
            case ("return", meanwhile):
                away, world.store.away = world.store.away, False
                await world.connect(remembers=True, meanwhile=meanwhile)
                world.store.away = away
            case ("sweep",):
                try:
                    await world.delivery.reread("sweep")
                except Unavailable:
                    assert world.store.away
            case ("store", here):
                world.store.away = not here
            case ("slow", slow):
                world.slow = slow
            case ("turn", times):
                for _ in range(times):
                    await asyncio.sleep(0)
        world.check()
    await world.settle()
    if world.socket is None:
        await world.connect(remembers=True, meanwhile=[])
        await world.settle()
    if world.socket is None:  # it was cut for being too far behind just now
        await world.connect(remembers=True, meanwhile=[])
        await world.settle()
    world.check()
    assert world.socket is not None
    assert world.expected_from + len(world.seen) == world.store.row["seq"]
    await world.background.cancel()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, max_size=60))
def test_a_client_has_its_whole_stream_in_order_and_once(script: list[tuple[Any, ...]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "WINDOW", WINDOW)
        patch.setattr("realtime.delivery.RETRY_S", 0)
        patch.setattr("realtime.delivery.POLL_S", 0)
        asyncio.run(live(script))


async def test_what_is_missed_while_a_stream_is_read_is_read_after_that(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    await world.connect(remembers=False, meanwhile=[])
    socket, get = world.socket, world.store.get_of_majority
    assert socket is not None
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*where: Any) -> Any:
        found = await get(*where)
        begun.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(world.store, "get_of_majority", slow)
    await world.happen(pushed=False)
    world.delivery.mark_stale(socket, "sweep")
    await begun.wait()
    await world.happen(pushed=False)
    world.delivery.mark_stale(socket, "redis lost")
    go_on.set()
    while socket.reading:
        await asyncio.sleep(0)
    assert world.seen == [1, 2]
    await world.background.cancel()


text = st.one_of(st.none(), st.text(max_size=50), st.integers(), st.just("epoch001.3"), st.just("epoch001.99"))


@settings(max_examples=EXAMPLES, deadline=None)
@given(text, text)
def test_no_pid_and_no_offset_a_client_makes_up_is_an_error(pid: Any, offset: Any) -> None:
    assert resume.Pids(b"key").read(pid, user_id="a", login_id="b") is None
    ours = resume.Pid("sid", "a", "b", "epoch001", 2, "node", 0)
    assert resume.position(ours, offset) in (None, "epoch001.2", "epoch001.3", "epoch001.99")


async def test_only_what_was_written_is_logged_as_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    said = LogCapture()
    levels = structlog.make_filtering_bound_logger(0)
    monkeypatch.setattr(delivery, "log", structlog.wrap_logger(None, [said], wrapper_class=levels))
    world = World()
    await world.happen(pushed=True)  # nobody is there
    await world.connect(remembers=False, meanwhile=[2])  # held until it has begun
    await world.happen(pushed=True)
    world.push(3)  # again
    assert [(each["event"], each["seq"], each["sockets"]) for each in said.entries] == [
        ("pushed", 2, 1),
        ("pushed", 3, 1),
    ]


async def test_what_follows_a_push_that_failed_belongs_to_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(world, "count", None)
    with pytest.raises(TypeError):
        world.delivery.pushed("post:x", Push("H", 1, "", 0, "", b"42[]", "a-request").encode())
    assert logs.current_trace() is None
