"""Let people act at random while their connections drop, and compare what their live stores show with a fresh fetch.

    python loadtests/convergence.py [--people 20] [--acts 1000] [--drops 50] [--seed 7] [--url U --realtime U]

Without `--url` a `python -m embedded` of its own is started, in a folder of its own. People publish, edit, delete,
like, comment, reply, follow and read, several at once; each connection drops so many times, and then it is resumed by
the gateway, caught up by `sync`, or has lost its memory of the stream. The last line is one JSON object; the exit code
is 1 where a store differs from a fresh fetch for longer than a minute.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import aiohttp
from support.ports import free_ports
from support.system import Embedded

from loadtests import target
from loadtests.actors import Actor, Crowd
from plaza_client import Plaza, PlazaError, Retrying

CONVERGES_WITHIN_S = 60.0
UNLIMITED = {f"RATE_{policy}": "1000000/1" for policy in ("USER", "IP", "LOGIN", "REGISTER")}
PATIENCE = Retrying(first_s=0.05, most_s=0.5)


async def converge(url: str, realtime: str, *, people: int, acts: int, drops: int, seed: int = 7) -> dict[str, Any]:
    """Return the figures of a run; `different` names the stores that did not become equal to a fresh fetch."""
    run_id, began = uuid4().hex[:8], time.monotonic()
    async with gathered(url, realtime, [f"converge_{run_id}_{number}" for number in range(people)]) as everybody:
        crowd = Crowd(everybody, random.Random(seed))
        for person in everybody:
            for other in crowd.chance.sample(everybody, min(4, people)):
                if other is not person:
                    await person.plaza.follow(other.name)
            await crowd.publish(person)
        for number in range(drops):
            if number % 10 == 0:
                for person in everybody:
                    crowd.look(person)
            await crowd.round(acts * (number + 1) // drops - acts * number // drops)
        different = await settled(everybody)
        returns = Counter(
            "resumed" if each.resumed else "fetched" if each.gap else "synced"
            for person in everybody
            for each in person.plaza.returns
        )
        return {
            "people": people,
            "acts": sum(crowd.acts.values()) - crowd.acts["refused"],
            "refused": crowd.acts["refused"],
            "returns": dict(returns),
            "stores": sum(len(person.shown) for person in everybody),
            "skipped_and_repeated": [sum(each) for each in zip(*(p.plaza.disorder for p in everybody), strict=True)],
            "different": different,
            "seconds": round(time.monotonic() - began, 1),
        }


async def settled(people: list[Actor]) -> list[str]:
    """Wait until every store shows what a fresh fetch shows; return the differences that stay."""
    deadline = time.monotonic() + CONVERGES_WITHIN_S
    while True:
        found = await asyncio.gather(*(person.differences() for person in people))
        different = [each for some in found for each in some]
        if not different or time.monotonic() > deadline:
            return different
        await asyncio.sleep(0.5)


@asynccontextmanager
async def gathered(url: str, realtime: str, names: list[str]) -> AsyncIterator[list[Actor]]:
    """Yield people with new accounts, whose stores are open."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        everybody = [Actor(name, Plaza(url, realtime=realtime, http=http, retrying=PATIENCE)) for name in names]
        try:
            for person in everybody:
                await person.plaza.register(person.name, f"{person.name}@example.org", uuid4().hex)
            ids = [person.plaza.user.id for person in everybody if person.plaza.user]
            for person in everybody:
                person.looks_after = ids
                person.show("notifications", person.plaza.notifications)
                person.show("feed", person.plaza.feed)
                person.show("presence", person.plaza.presence(ids))
            yield everybody
        finally:
            await asyncio.gather(*(person.plaza.close() for person in everybody))


async def main(arguments: argparse.Namespace) -> int:
    """Run against a system; return 1 if a store stayed different."""
    size = {"people": arguments.people, "acts": arguments.acts, "drops": arguments.drops, "seed": arguments.seed}
    if arguments.url:
        target.check(arguments.url)
        return report(await converge(arguments.url, arguments.realtime or arguments.url, **size))
    (api, realtime), code = free_ports(2), 1
    with tempfile.TemporaryDirectory() as folder, suppress(TimeoutError):  # it is killed where it stops slowly
        async with Embedded(Path(folder) / "var", api_port=api, realtime_port=realtime, **UNLIMITED) as system:
            try:
                code = report(await converge(system.api_url, system.realtime_url, **size))
            except PlazaError:
                print(system.output, file=sys.stderr)
                raise
    return code


def report(figures: dict[str, Any]) -> int:
    """Print the figures of a run; return its exit code."""
    for each in figures["different"]:
        print(each, file=sys.stderr)
    print(json.dumps(figures | {"different": len(figures["different"])}), flush=True)
    return 1 if figures["different"] else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--acts", type=int, default=1000, help="of all people together")
    parser.add_argument("--drops", type=int, default=50, help="of each connection")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--url", default="", help="a running system on this machine; without limits on requests")
    parser.add_argument("--realtime", default="", help="its gateway, if that is elsewhere")
    sys.exit(asyncio.run(main(parser.parse_args())))
