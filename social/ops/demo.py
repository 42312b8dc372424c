"""A small crowd on a running system, over the public API, and an honest count of what arrived."""

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import aiohttp
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from plaza_client import Event, Plaza, PlazaError, RateLimited, Unreachable
from social.infra import clock
from social.infra.settings import StartError
from social.ops.demo_ledger import Ledger, report

FOLLOWS_EACH = 3
SETTLE_S = 60.0  # after the last act, at most this long for everything to arrive
SIGN_UPS_AT_ONCE = 8
CONNECTS_WITHIN_S = 60.0
PACE_S = (0.1, 0.6)  # between two acts of one person


class Person:
    """An account with a socket."""

    def __init__(self, name: str, plaza: Plaza, ledger: Ledger) -> None:
        self.name = name
        self.id = ""
        self.following: set[str] = set()
        self.plaza = plaza
        self._ledger = ledger
        plaza.listen(self._heard)

    async def register(self) -> None:
        """Open the account; a crowd from one address may have to wait."""
        while True:
            try:
                user = await self.plaza.register(self.name, f"{self.name}@example.org", clock.new_id())
                break
            except RateLimited as refusal:
                await asyncio.sleep(refusal.retry_after_s or 1)
        self.id = user.id

    async def connect(self) -> None:
        """Open the socket; raises TimeoutError."""
        await asyncio.wait_for(self.plaza.connect(), CONNECTS_WITHIN_S)

    def _heard(self, event: Event) -> None:
        if event.name == "feed.post" or event.offset is not None:
            self._ledger.pushed(self.id, event.name, event.data, event.offset)


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
            await person.plaza.follow(other.name)
            person.following.add(other.id)
            self._ledger.asked[other.id, "follow", other.id].append(at)

    async def live(self, person: Person, until: float) -> None:
        """Act until the time is over; a refusal is counted and nothing is expected of it."""
        acts: list[Callable[[Person], Awaitable[None]]] = [self._post, self._comment, self._like]
        while time.perf_counter() < until:
            (act,) = self._chance.choices(acts, [2, 3, 15])
            try:
                await act(person)
            except PlazaError:
                self._ledger.refused += 1
            await asyncio.sleep(self._chance.uniform(*PACE_S))

    async def _post(self, person: Person) -> None:
        at, text = time.perf_counter(), f"post by {person.name}"
        if self._chance.random() < 0.5:
            post_id = (await person.plaza.publish(text)).id
        else:
            post_id = (await person.plaza.send("post.create", {"text": text}))["id"]
        self._posts.append((post_id, person))
        self._ledger.posted[post_id] = at, {each.id for each in self._people if person.id in each.following}

    async def _comment(self, person: Person) -> None:
        if not self._posts:
            return
        post_id, author = self._chance.choice(self._posts[-50:])
        at = time.perf_counter()
        if self._chance.random() < 0.5:
            await person.plaza.comment(post_id, "well said")
        else:
            await person.plaza.send("comment.create", {"post_id": post_id, "text": "well said"})
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
            await person.plaza.like(post_id)
        else:
            await person.plaza.send("post.like", {"post_id": post_id})
        if author is not person:
            self._ledger.asked[author.id, "like", post_id].append(at)


async def main(arguments: argparse.Namespace) -> int:
    """Run the demo; return 0 when everything acknowledged was delivered, once."""
    ledger, chance = Ledger(), random.Random(arguments.seed)  # noqa: S311 - a crowd, not a key
    run_id = clock.new_id()[-8:]
    connector = aiohttp.TCPConnector(limit=0)
    try:
        async with aiohttp.ClientSession(connector=connector) as http:
            async with http.get(arguments.api):  # one try: the people's clients would repeat theirs for a minute
                pass
            names = [f"demo_{run_id}_{number}" for number in range(max(2, arguments.users))]
            people = [
                Person(each, Plaza(arguments.api, realtime=arguments.realtime, http=http), ledger) for each in names
            ]
            await _run(Crowd(people, ledger, chance), people, ledger, arguments)
    except (aiohttp.ClientConnectionError, TimeoutError, Unreachable) as error:
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
                await person.connect()
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
            ledger.duplicates += sum(person.plaza.disorder.repeated for person in people)
        finally:
            await asyncio.gather(*(person.plaza.close() for person in people), return_exceptions=True)
