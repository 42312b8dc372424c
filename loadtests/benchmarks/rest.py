"""Measure the REST API: requests a second, p50 and p99, of the requests people make most.

    make bench ONLY=rest

Starts the embedded system by itself, opens accounts that follow each other and post, and then sends one kind of request
after another from many connections at once, each with one request under way. Every figure is also given as a multiple
of a request that does nothing (`GET /livez`) in the same run, which can be compared between machines. A table,
then one JSON line.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import aiohttp
from rich.console import Console
from rich.progress import track
from rich.table import Table
from system import p50_ms, p99_ms, register, started

FOLLOWS = 20  # each, or half of all
POSTS = 10  # each

Ask = tuple[str, str, str | None, Any]  # method, path, token, body


class Figures(NamedTuple):
    """The figures of a kind of request; `refused` (503: too much at once) counts in none of the others."""

    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int


class Crowd(NamedTuple):
    """The people who send requests, and the objects they request."""

    tokens: list[str]
    posts: list[str]


async def gather(http: aiohttp.ClientSession, console: Console, people: int) -> Crowd:
    """Open accounts that follow each other, and publish their posts."""
    names = [f"person{n}" for n in range(people)]
    steps = track(names, "opening accounts", console=console)
    tokens = [await register(http, name) for name in steps]
    posts: list[str] = []
    for at, token in enumerate(track(tokens, "following and posting", console=console)):
        for other in range(at + 1, at + 1 + min(FOLLOWS, people // 2)):
            await request(http, ("PUT", f"/v1/users/{names[other % people]}/follow", token, None))
        texts = ({"text": f"hello number {n}"} for n in range(POSTS))
        posts += [(await request(http, ("POST", "/v1/posts", token, text)))["id"] for text in texts]
    return Crowd(tokens, posts)


async def request(http: aiohttp.ClientSession, what: Ask, *, or_refused: bool = False) -> Any:
    """Return the decoded answer, which must be good; None for a 503 where `or_refused` allows it."""
    method, path, token, body = what
    headers = {"Authorization": f"Bearer {token}"} if token else None
    async with http.request(method, path, headers=headers, json=body) as answer:
        content = await answer.json(content_type=None)
    if or_refused and answer.status == 503:
        return None
    assert answer.status < 300, content
    return content


async def measure(http: aiohttp.ClientSession, requests: Iterator[Ask], connections: int, seconds: float) -> Figures:
    """Measure many connections at once, each with one request under way."""
    took, refused = list[float](), 0
    begun = time.perf_counter()

    async def client() -> None:
        nonlocal refused
        while (at := time.perf_counter()) < begun + seconds:
            if await request(http, next(requests), or_refused=True) is None:
                refused += 1
            else:
                took.append(time.perf_counter() - at)

    await asyncio.gather(*(client() for _ in range(connections)))
    per_second = len(took) / (time.perf_counter() - begun)
    return Figures(round(per_second, 1), round(p50_ms(took), 2), round(p99_ms(took), 2), refused)


def kinds(crowd: Crowd, chance: random.Random) -> dict[str, Callable[[], Iterator[Ask]]]:
    """Return the kinds of requests."""
    someone, some_post = (lambda: chance.choice(crowd.tokens)), (lambda: chance.choice(crowd.posts))

    def likes() -> Iterator[Ask]:
        pairs = [(token, post) for token in crowd.tokens for post in crowd.posts]  # none twice: each is a new like
        chance.shuffle(pairs)
        for token, post in itertools.cycle(pairs):
            yield "PUT", f"/v1/posts/{post}/like", token, None

    return {
        "GET livez": lambda: itertools.repeat(("GET", "/livez", None, None)),
        "GET post": lambda: (("GET", f"/v1/posts/{some_post()}", someone(), None) for _ in itertools.count()),
        "GET feed": lambda: (("GET", "/v1/feed", someone(), None) for _ in itertools.count()),
        "POST post": lambda: (("POST", "/v1/posts", someone(), {"text": "hello again"}) for _ in itertools.count()),
        "PUT like": likes,
    }


async def main() -> None:
    """Measure all kinds, one after another, each in rounds; the round with the median rate counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each kind in each round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--people", type=int, default=40, help="who follow and post (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=16, help="at once (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a moment, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds, options.people = 0.3, 1, 6
    console = Console(stderr=True)
    connector = aiohttp.TCPConnector(limit=0)
    async with started() as system, aiohttp.ClientSession(system.api, connector=connector) as http:
        requests = kinds(await gather(http, console, options.people), random.Random(7))
        rounds: dict[str, list[Figures]] = {name: [] for name in requests}
        for name, begin in requests.items():  # reads first: written documents make reads dearer in the embedded store
            for _ in range(options.rounds):
                rounds[name].append(await measure(http, begin(), options.connections, options.seconds))
    figures = {name: sorted(each)[len(each) // 2] for name, each in rounds.items()}
    bare = figures["GET livez"].per_second
    table = Table(
        "request", "a second", "p50", "p99", "bare requests", "refused", title=f"{options.connections} connections"
    )
    for name, each in figures.items():
        cost = f"{bare / each.per_second:.1f}"
        table.add_row(
            name, f"{each.per_second:,.0f}", f"{each.p50_ms} ms", f"{each.p99_ms} ms", cost, str(each.refused)
        )
    Console(file=sys.stdout).print(table)
    costs = {name: round(bare / each.per_second, 2) for name, each in figures.items()}
    print(json.dumps({name: {**each._asdict(), "bare_requests": costs[name]} for name, each in figures.items()}))


if __name__ == "__main__":
    asyncio.run(main())
