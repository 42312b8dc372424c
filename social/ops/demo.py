"""A small crowd on a running system, over the public API, and an honest count of what arrived."""

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import socketio
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from social.contracts.codec import decode, encode
from social.infra import clock
from social.infra.settings import StartError
from social.ops.demo_ledger import Ledger, report

FOLLOWS_EACH = 3
SETTLE_S = 10.0  # after the last act, at most this long for everything to arrive
SIGN_UPS_AT_ONCE = 8
PACE_S = (0.1, 0.6)  # between two acts of one person


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
    return report(ledger, as_json=arguments.json)


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
