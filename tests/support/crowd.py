"""A crowd that does not give up, on a system whose processes die, and an honest count of what was lost or doubled.

Every client repeats a write, under one key, until it is answered; sockets resume by Socket.IO's connection state
recovery. A like counts as delivered to its author when a push of its group shows a `count` that
reaches its place in the group.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import socketio

from social.contracts.codec import decode, encode
from social.infra import clock
from social.ops.demo_ledger import Ledger
from support.eventually import eventually

GIVE_UP_S = 120.0  # a write that is not answered by then is a failure of the whole run
TRY_AGAIN_S = (0.05, 0.4)
ANSWER_WITHIN_S = 20.0
FOLLOWS_EACH = 3
PACE_S = (0.05, 0.4)
SETTLE_S = 100.0  # longer than a store holds documents of a client that died in a transaction


class Client(socketio.AsyncClient):
    """python-socketio's client, which also records where it could resume."""

    pid: str | None = None

    async def _handle_connect(self, namespace: str | None, data: Any) -> None:
        self.pid = (data or {}).get("pid")
        await super()._handle_connect(namespace, data)


@dataclass
class Record:
    """The writes that were acknowledged, and their effects."""

    ledger: Ledger = field(default_factory=Ledger)
    acks: list[float] = field(default_factory=list)
    slowest_write_s: float = 0.0
    posts: dict[str, "Member"] = field(default_factory=dict)
    likes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    comments: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    retries: Counter[str] = field(default_factory=Counter)  # and the reason
    disorder: list[str] = field(default_factory=list)  # offsets that did not follow the one before

    def acknowledged(self, began: float) -> None:
        """Count an acknowledged write."""
        now = time.perf_counter()
        self.acks.append(now)
        self.slowest_write_s = max(self.slowest_write_s, now - began)

    def silence_s(self) -> float:
        """Return the longest time in which no write was acknowledged."""
        return max((later - earlier for earlier, later in zip(self.acks, self.acks[1:], strict=False)), default=0.0)


class Member:
    """An account with a socket that comes back by itself."""

    def __init__(self, name: str, url: str, http: aiohttp.ClientSession, record: Record) -> None:
        self.name = name
        self.id = ""
        self.followers: set[str] = set()
        self.following: set[str] = set()
        self.returns: list[tuple[float, bool]] = []  # when, and whether the gateway recovered what was missed
        self.seen = ("", 0)  # epoch and number of the last stream event
        self._url = url
        self._http = http
        self._record = record
        self.token = ""
        self._client: Client | None = None
        self._dropped = asyncio.Event()
        self._connected = asyncio.Event()
        self._staying: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Register an account and open a socket."""
        body = {"username": self.name, "email": f"{self.name}@example.org", "password": clock.new_id()}
        answer = await self.ask("POST", "/v1/auth/register", body)
        self.id, self.token = answer["user"]["id"], answer["access_token"]
        self._staying = asyncio.create_task(self._stay())
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await self._connected.wait()

    async def leave(self) -> None:
        """Close the socket."""
        if self._staying is not None:
            self._staying.cancel()
            await asyncio.gather(self._staying, return_exceptions=True)
        if self._client is not None:
            await self._client.disconnect()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to a request, repeated under one key until answered; raises ClientResponseError."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if method == "POST" and self.token:
            headers["Idempotency-Key"] = clock.new_id()
        data = encode(body) if body is not None else None
        async with asyncio.timeout(GIVE_UP_S):
            while True:
                try:
                    async with self._http.request(method, self._url + path, data=data, headers=headers) as answer:
                        if answer.status not in (429, 502, 503):
                            answer.raise_for_status()
                            return decode(await answer.read())
                        why = str(answer.status)
                except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
                    why = type(error).__name__
                await self._pause(f"REST: {why}")

    async def all(self, path: str) -> list[Any]:
        """Return every item of a list."""
        items: list[Any] = []
        after = ""
        while True:
            page = await self.ask("GET", f"{path}{'&' if '?' in path else '?'}limit=100{after}")
            items += page["items"]
            if not page["next"]:
                return items
            after = f"&cursor={page['next']}"

    async def send(self, event: str, message: dict[str, Any]) -> Any:
        """Return the answer to a message, repeated under one key until answered; raises RuntimeError if refused."""
        message = {**message, "idempotency_key": clock.new_id()}
        async with asyncio.timeout(GIVE_UP_S):
            while True:
                await self._connected.wait()
                ack, why = await self._call(event, message)
                if ack is not None:
                    if ack["ok"]:
                        return ack["data"]
                    if ack["problem"]["status"] not in (429, 503):
                        raise RuntimeError(ack["problem"])
                    why = str(ack["problem"]["code"])
                await self._pause(f"socket: {why}")

    async def _call(self, event: str, message: dict[str, Any]) -> tuple[Any, str]:
        """Return an ack, or None and the reason; python-socketio itself waits on when the connection is lost."""
        assert self._client is not None
        call = asyncio.ensure_future(self._client.call(event, message, timeout=ANSWER_WITHIN_S))
        dropped = asyncio.ensure_future(self._dropped.wait())
        try:
            await asyncio.wait([call, dropped], return_when=asyncio.FIRST_COMPLETED)
            return (call.result(), "") if call.done() else (None, "connection lost")
        except (socketio.exceptions.SocketIOError, TimeoutError) as error:
            return None, type(error).__name__
        finally:
            for each in (call, dropped):
                each.cancel()
            await asyncio.gather(call, dropped, return_exceptions=True)

    async def _pause(self, why: str) -> None:
        self._record.retries[why] += 1
        await asyncio.sleep(random.uniform(*TRY_AGAIN_S))

    async def _stay(self) -> None:
        """Connect again whenever the connection is lost; each time with a new client, which knows only the pid."""
        while True:
            pid = self._client.pid if self._client else None
            client = Client(reconnection=False, http_session=self._http)
            client.pid = pid
            client.on("*", self._heard)
            client.on("disconnect", lambda *_: self._dropped.set())
            auth = {"token": self.token}
            if pid:
                auth |= {"pid": pid, "offset": f"{self.seen[0]}.{self.seen[1]}"} if self.seen[0] else {"pid": pid}
            self._dropped.clear()
            try:
                await client.connect(self._url, auth=auth, transports=["websocket"], wait_timeout=5)
            except (socketio.exceptions.ConnectionError, aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(random.uniform(*TRY_AGAIN_S))
                continue
            self._client = client
            self._connected.set()
            if pid:
                self.returns.append((time.perf_counter(), client.pid == pid))
                if client.pid != pid:
                    await self._catch_up()
            await self._dropped.wait()
            self._connected.clear()
            await asyncio.sleep(random.uniform(*TRY_AGAIN_S))

    async def _catch_up(self) -> None:
        missed = await self.send("sync", {"after": f"{self.seen[0]}.{self.seen[1]}"})
        for each in missed["events"]:
            self._take(each["event"], each["data"], each["offset"], again=True)

    async def _heard(self, event: str, data: Any = None, offset: str | None = None) -> None:
        if offset is not None:
            self._take(event, data, offset)

    def _take(self, event: str, data: Any, offset: str, *, again: bool = False) -> None:
        """Take a stream event: the next one, or a hole or a repetition that should not be."""
        epoch, _, number = offset.rpartition(".")
        before = self.seen
        if int(number) <= before[1] and again:
            return  # the event came live meanwhile
        if before[0] and (epoch, int(number)) != (before[0], before[1] + 1):
            self._record.disorder.append(f"{self.name}: {before[0]}.{before[1]} then {offset}")
        self.seen = epoch, int(number)
        self._record.ledger.pushed(self.id, event, data, offset)


class Crowd:
    """People who post, comment and like at random, half over REST and half over their sockets."""

    def __init__(self, people: list[Member], record: Record) -> None:
        self.people = people
        self.record = record
        self._chance = random.Random(7)
        self._stop = asyncio.Event()

    async def follow(self) -> None:
        """Let everybody follow some others."""
        for person in self.people:
            others = [each for each in self.people if each is not person]
            for other in self._chance.sample(others, min(FOLLOWS_EACH, len(others))):
                began = time.perf_counter()
                await person.ask("PUT", f"/v1/users/{other.name}/follow")
                self.record.acknowledged(began)
                person.following.add(other.id)
                self.record.ledger.asked[other.id, "follow", other.id].append(began)

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Let everybody act until the block ends, and until the writes they began are answered."""
        self._stop.clear()
        living = [asyncio.create_task(self._live(person)) for person in self.people]
        try:
            yield
        finally:
            self._stop.set()
            await asyncio.gather(*living)

    async def _live(self, person: Member) -> None:
        acts: list[Callable[[Member], Awaitable[None]]] = [self._post, self._comment, self._like]
        while not self._stop.is_set():
            (act,) = self._chance.choices(acts, [2, 3, 15])
            await act(person)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._chance.uniform(*PACE_S))

    async def _post(self, person: Member) -> None:
        began, text = time.perf_counter(), f"post by {person.name}"
        if self._chance.random() < 0.5:
            post = await person.ask("POST", "/v1/posts", {"text": text})
        else:
            post = await person.send("post.create", {"text": text})
        self.record.acknowledged(began)
        self.record.posts[post["id"]] = person

    def _choose(self) -> tuple[str, Member] | None:
        recent = list(self.record.posts.items())[-40:]
        return self._chance.choice(recent) if recent else None

    async def _comment(self, person: Member) -> None:
        if (chosen := self._choose()) is None:
            return
        (post_id, author), began = chosen, time.perf_counter()
        if self._chance.random() < 0.5:
            comment = await person.ask("POST", f"/v1/posts/{post_id}/comments", {"text": "well said"})
        else:
            comment = await person.send("comment.create", {"post_id": post_id, "text": "well said"})
        self.record.acknowledged(began)
        self.record.comments[post_id].append(comment["id"])
        if author is not person:
            self.record.ledger.asked[author.id, "comment", post_id].append(began)

    async def _like(self, person: Member) -> None:
        chosen = self._choose()
        if chosen is None or person.id in self.record.likes[chosen[0]]:
            return
        (post_id, author), began = chosen, time.perf_counter()
        self.record.likes[post_id].add(person.id)
        if self._chance.random() < 0.5:
            await person.ask("PUT", f"/v1/posts/{post_id}/like")
        else:
            await person.send("post.like", {"post_id": post_id})
        self.record.acknowledged(began)
        if author is not person:
            self.record.ledger.asked[author.id, "like", post_id].append(began)


@dataclass(frozen=True)
class Account:
    """The account of a crowd: writes by what REST shows afterwards, notifications by what was pushed."""

    acknowledged: int
    lost: list[str]
    doubled: list[str]
    notifications: int
    missing: int
    repeated: int
    disorder: list[str]
    unrecovered: int
    silence_s: float
    slowest_write_s: float
    slowest_notification_s: float
    retries: dict[str, int]

    def flawless(self) -> None:
        """Assert that nothing was lost or doubled."""
        assert not self.lost, self.lost
        assert not self.doubled, self.doubled
        assert (self.missing, self.repeated, self.disorder) == (0, 0, [])
        assert self.acknowledged > 0
        assert self.notifications > 0


async def settle(crowd: Crowd, timeout_s: float = SETTLE_S) -> Account:
    """Wait until everything acknowledged has arrived, then take account; a write whose effect is late is lost."""

    async def arrived() -> None:
        lost, _ = await audit(crowd)
        assert not any(crowd.record.ledger.outcome(kind)[1] for kind in ("like", "comment", "follow"))
        assert not lost

    with suppress(AssertionError):
        await eventually(arrived, timeout_s=timeout_s, every_s=0.3)
    lost, doubled = await audit(crowd)
    record, outcomes = crowd.record, [crowd.record.ledger.outcome(kind) for kind in ("like", "comment", "follow")]
    return Account(
        acknowledged=len(record.acks),
        lost=lost,
        doubled=doubled,
        notifications=sum(asked for asked, _, _ in outcomes),
        missing=sum(missing for _, missing, _ in outcomes),
        repeated=record.ledger.duplicates,
        disorder=record.disorder,
        unrecovered=sum(not recovered for person in crowd.people for _, recovered in person.returns),
        silence_s=record.silence_s(),
        slowest_write_s=record.slowest_write_s,
        slowest_notification_s=max((each for *_, seconds in outcomes for each in seconds), default=0.0),
        retries=dict(record.retries),
    )


async def audit(crowd: Crowd) -> tuple[list[str], list[str]]:
    """Look for every acknowledged write over REST; return the missing writes, and those that are there too often."""
    found: list[tuple[str, int, int]] = []  # the write, how often it should be there, how often it is
    record, reader = crowd.record, crowd.people[0]
    for post_id in record.posts:
        post = await reader.ask("GET", f"/v1/posts/{post_id}")
        found.append((f"likes of {post_id}", len(record.likes[post_id]), post["likes"]))
        found.append((f"comments of {post_id}", len(record.comments[post_id]), post["comments"]))
        there = Counter(each["id"] for each in await reader.all(f"/v1/posts/{post_id}/comments"))
        found += [(f"comment {each}", int(each in record.comments[post_id]), there[each]) for each in there]
        found += [(f"comment {each}", 1, there[each]) for each in record.comments[post_id]]
    for person in crowd.people:
        shown: Counter[tuple[str, str]] = Counter()
        for each in await person.all("/v1/notifications"):
            shown[each["type"], each["target"]["id"]] += each["count"]
        asked = {key[1:]: len(at) for key, at in record.ledger.asked.items() if key[0] == person.id}
        found += [(f"{person.name} notified of {key}", asked.get(key, 0), shown[key]) for key in {*shown, *asked}]
        lines = Counter(each["id"] for each in await person.all("/v1/feed"))
        due = {post for post, author in record.posts.items() if author is person or author.id in person.following}
        found += [
            (f"{post} in the timeline of {person.name}", int(post in due), lines[post]) for post in due | {*lines}
        ]
    lost = [f"{what}: {there} of {due}" for what, due, there in found if there < due]
    return lost, [f"{what}: {there} for {due}" for what, due, there in found if there > due]


@asynccontextmanager
async def crowd(url: str, count: int) -> AsyncIterator[Crowd]:
    """Yield people who follow each other and are connected."""
    run_id, record = clock.new_id()[-8:], Record()
    timeout = aiohttp.ClientTimeout(ANSWER_WITHIN_S)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        people = [Member(f"crowd_{run_id}_{number}", url, http, record) for number in range(count)]
        try:
            await asyncio.gather(*(person.join() for person in people))
            gathered = Crowd(people, record)
            await gathered.follow()
            yield gathered
        finally:
            await asyncio.gather(*(person.leave() for person in people), return_exceptions=True)
