"""A small crowd on a running system, over the public API, and an honest count of what arrived.

A like counts as delivered to its author when a push of its group shows a `count` that reaches its place in the group.
"""

import argparse
import asyncio
import random
import statistics
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import socketio
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from social.contracts.codec import decode, encode
from social.infra import clock
from social.infra.settings import StartError

FOLLOWS_EACH = 3
SETTLE_S = 10.0  # after the last act, at most this long for everything to arrive
SIGN_UPS_AT_ONCE = 8
PACE_S = (0.1, 0.6)  # between two acts of one person

Key = tuple[str, str, str]  # recipient, type, target


@dataclass
class Ledger:
    """The acts that were acknowledged, and what arrived where."""

    asked: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))
    arrived: dict[Key, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    posted: dict[str, tuple[float, set[str]]] = field(default_factory=dict)
    shown: dict[tuple[str, str], float] = field(default_factory=dict)
    offsets: set[tuple[str, str]] = field(default_factory=set)
    duplicates: int = 0
    refused: int = 0

    def pushed(self, person: str, event: str, data: Any, offset: str | None) -> None:
        """Note a frame that arrived on a person's socket."""
        now = time.perf_counter()
        if event == "feed.post":
            self.duplicates += (person, data["id"]) in self.shown
            self.shown.setdefault((person, data["id"]), now)
            return
        self.duplicates += (person, str(offset)) in self.offsets
        self.offsets.add((person, str(offset)))
        if event in ("notification", "notification.updated"):
            self.arrived[person, data["type"], data["target"]["id"]].append((data["count"], now))

    def outcome(self, kind: str) -> tuple[int, int, list[float]]:
        """Return acknowledged, missing, and the seconds the others took, of one notification type."""
        acknowledged, missing, seconds = 0, 0, []
        for key, sent in self.asked.items():
            if key[1] != kind:
                continue
            arrivals = sorted(self.arrived[key], key=lambda each: each[1])
            highest, counts = 0, []
            for count, _ in arrivals:
                highest = max(highest, count)
                counts.append(highest)
            for place, at in enumerate(sorted(sent), start=1):
                acknowledged += 1
                index = bisect_left(counts, place)
                if index == len(counts):
                    missing += 1
                else:
                    seconds.append(max(0.0, arrivals[index][1] - at))
        return acknowledged, missing, seconds

    def posts(self) -> tuple[int, int, list[float]]:
        """Return acknowledged, missing, and the seconds the others took, of posts on their way to followers."""
        expected = [(person, post_id, at) for post_id, (at, people) in self.posted.items() for person in people]
        seconds = [self.shown[person, post] - at for person, post, at in expected if (person, post) in self.shown]
        return len(expected), len(expected) - len(seconds), seconds

    def complete(self) -> bool:
        """Return whether everything acknowledged has arrived."""
        return not self.posts()[1] and not any(self.outcome(kind)[1] for kind in ("like", "comment", "follow"))


class Person:
    """An account with a socket."""

    def __init__(self, name: str, http: aiohttp.ClientSession, ledger: Ledger) -> None:
        self.name = name
        self.id = ""
        self.following: set[str] = set()
        self._http = http
        self._ledger = ledger
        self._token = ""
        self._offset: str | None = None
        self._socket = socketio.AsyncClient(reconnection_delay=0.2, reconnection_delay_max=1)
        self._socket.on("*", self._heard)
        self._socket.on("connect", self._connected)

    async def register(self) -> None:
        """Open the account."""
        password = clock.new_id()
        body = {"username": self.name, "email": f"{self.name}@example.org", "password": password}
        while True:
            try:
                answer = await self.rest("POST", "/v1/auth/register", body)
                break
            except aiohttp.ClientResponseError as refusal:  # a crowd from one address
                if refusal.status != 429 or refusal.headers is None:
                    raise
                await asyncio.sleep(float(refusal.headers["Retry-After"]))
        self.id, self._token = answer["user"]["id"], answer["access_token"]

    async def connect(self, url: str) -> None:
        """Open the socket."""
        await self._socket.connect(url, auth={"token": self._token}, transports=["websocket"], wait_timeout=10)

    async def close(self) -> None:
        """Close the socket."""
        await self._socket.disconnect()

    async def rest(self, method: str, path: str, body: Any = None) -> Any:
        """Send a REST request; raises aiohttp.ClientResponseError for a refusal."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        data = encode(body) if body is not None else None
        async with self._http.request(method, path, data=data, headers=headers) as response:
            response.raise_for_status()
            return decode(await response.read()) if response.status != 204 else None

    async def send(self, event: str, message: dict[str, Any]) -> Any:
        """Send a message and return its acknowledgement; raises RuntimeError for a refusal."""
        ack = await self._socket.call(event, message, timeout=10)
        if not ack["ok"]:
            raise RuntimeError(ack["problem"])
        return ack["data"]

    async def _connected(self) -> None:
        if self._offset is None:
            return
        missed = await self.send("sync", {"after": self._offset})
        for each in missed["events"]:
            self._take(each["event"], each["data"], each["offset"])

    async def _heard(self, event: str, data: Any = None, offset: str | None = None) -> None:
        if event == "feed.post" or offset is not None:
            self._take(event, data, offset)

    def _take(self, event: str, data: Any, offset: str | None) -> None:
        self._offset = offset or self._offset
        self._ledger.pushed(self.id, event, data, offset)


class Crowd:
    """People who follow, post, comment and like at random."""

    def __init__(self, people: list[Person], ledger: Ledger, chance: random.Random) -> None:
        self._people = people
        self._ledger = ledger
        self._chance = chance
        self._posts: list[tuple[str, Person]] = []
        self._liked: set[tuple[str, str]] = set()

    async def follow(self, person: Person) -> None:
        """Follow some others."""
        others = [each for each in self._people if each is not person]
        for other in self._chance.sample(others, min(FOLLOWS_EACH, len(others))):
            at = time.perf_counter()
            await person.rest("PUT", f"/v1/users/{other.name}/follow")
            person.following.add(other.id)
            self._ledger.asked[other.id, "follow", other.id].append(at)

    async def live(self, person: Person, until: float) -> None:
        """Act until the time is over; a refusal is counted and nothing is expected of it."""
        acts: list[Callable[[Person], Awaitable[None]]] = [self._post, self._comment, self._like]
        while time.perf_counter() < until:
            (act,) = self._chance.choices(acts, [2, 3, 15])
            try:
                await act(person)
            except (aiohttp.ClientError, RuntimeError, TimeoutError, socketio.exceptions.SocketIOError):
                self._ledger.refused += 1
            await asyncio.sleep(self._chance.uniform(*PACE_S))

    async def _post(self, person: Person) -> None:
        at, text = time.perf_counter(), f"post by {person.name}"
        if self._chance.random() < 0.5:
            post = await person.rest("POST", "/v1/posts", {"text": text})
        else:
            post = await person.send("post.create", {"text": text})
        self._posts.append((post["id"], person))
        self._ledger.posted[post["id"]] = at, {each.id for each in self._people if person.id in each.following}

    async def _comment(self, person: Person) -> None:
        if not self._posts:
            return
        post_id, author = self._chance.choice(self._posts[-50:])
        at = time.perf_counter()
        if self._chance.random() < 0.5:
            await person.rest("POST", f"/v1/posts/{post_id}/comments", {"text": "well said"})
        else:
            await person.send("comment.create", {"post_id": post_id, "text": "well said"})
        if author is not person:
            self._ledger.asked[author.id, "comment", post_id].append(at)

    async def _like(self, person: Person) -> None:
        if not self._posts:
            return
        post_id, author = self._chance.choice(self._posts[-50:])
        if (post_id, person.id) in self._liked:
            return
        self._liked.add((post_id, person.id))
        at = time.perf_counter()
        if self._chance.random() < 0.5:
            await person.rest("PUT", f"/v1/posts/{post_id}/like")
        else:
            await person.send("post.like", {"post_id": post_id})
        if author is not person:
            self._ledger.asked[author.id, "like", post_id].append(at)


async def main(arguments: argparse.Namespace) -> int:
    """Run the demo; return 0 when everything acknowledged was delivered, once."""
    ledger, chance = Ledger(), random.Random(arguments.seed)  # noqa: S311 - a crowd, not a key
    run_id = clock.new_id()[-8:]
    connector = aiohttp.TCPConnector(limit=0)
    try:
        async with aiohttp.ClientSession(arguments.api, connector=connector, timeout=aiohttp.ClientTimeout(15)) as http:
            people = [Person(f"demo_{run_id}_{number}", http, ledger) for number in range(max(2, arguments.users))]
            await _run(Crowd(people, ledger, chance), people, ledger, arguments)
    except (aiohttp.ClientConnectionError, socketio.exceptions.ConnectionError) as error:
        raise StartError(f"cannot reach {arguments.api} and {arguments.realtime}: {error}; is it running?") from None
    return _report(ledger, arguments)


async def _run(crowd: Crowd, people: list[Person], ledger: Ledger, arguments: argparse.Namespace) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[says]}"), TimeRemainingColumn())
    gate = asyncio.Semaphore(SIGN_UPS_AT_ONCE)
    with Progress(*columns) as progress:
        joining = progress.add_task("signing up", total=len(people), says="")

        async def join(person: Person) -> None:
            async with gate:
                await person.register()
                await person.connect(arguments.realtime)
            progress.advance(joining)

        try:
            await asyncio.gather(*(join(person) for person in people))
            await asyncio.gather(*(crowd.follow(person) for person in people))
            acting = progress.add_task("acting", total=arguments.seconds, says="")
            started = time.perf_counter()
            living = asyncio.gather(*(crowd.live(person, started + arguments.seconds) for person in people))
            while not living.done():
                await asyncio.wait([living], timeout=0.25)
                acts = sum(map(len, ledger.asked.values())) + len(ledger.posted)
                elapsed = min(arguments.seconds, time.perf_counter() - started)
                progress.update(acting, completed=elapsed, says=f"{acts} acknowledged")
            await living
            settling = progress.add_task("settling", total=SETTLE_S, says="")
            deadline = time.perf_counter() + SETTLE_S
            while not ledger.complete() and time.perf_counter() < deadline:  # noqa: ASYNC110 - many sockets, one look
                await asyncio.sleep(0.1)
            progress.update(settling, completed=SETTLE_S)
        finally:
            await asyncio.gather(*(person.close() for person in people), return_exceptions=True)


def _report(ledger: Ledger, arguments: argparse.Namespace) -> int:
    rows = {
        "like → notification": ledger.outcome("like"),
        "comment → notification": ledger.outcome("comment"),
        "follow → notification": ledger.outcome("follow"),
        "post → followers' feed.post": ledger.posts(),
    }
    table = Table("", *(f"[bold]{name}" for name in ("acknowledged", "delivered", "missing", "p50", "p95", "p99")))
    for name, (acknowledged, missing, seconds) in rows.items():
        spread = [f"{1000 * each:.0f} ms" for each in _percentiles(seconds)] or ["-"] * 3
        table.add_row(name, str(acknowledged), str(acknowledged - missing), str(missing), *spread)
    console = Console()
    console.print(table)
    console.print(f"duplicates: {ledger.duplicates}   refused: {ledger.refused}")
    missing = sum(row[1] for row in rows.values())
    if arguments.json:
        result = {
            "acknowledged": sum(row[0] for row in rows.values()),
            "missing": missing,
            "duplicates": ledger.duplicates,
            "refused": ledger.refused,
            "like_to_push_ms": [round(1000 * each, 1) for each in _percentiles(rows["like → notification"][2])],
        }
        print(encode(result).decode())
    return 1 if missing or ledger.duplicates else 0


def _percentiles(seconds: list[float]) -> list[float]:
    """Return the 50th, 95th and 99th percentiles."""
    if len(seconds) < 2:
        return seconds * 3
    hundredths = statistics.quantiles(seconds, n=100, method="inclusive")
    return [hundredths[49], hundredths[94], hundredths[98]]
