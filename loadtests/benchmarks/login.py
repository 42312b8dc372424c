"""Measure how much logins slow down readers, and whether their duration reveals which accounts exist.

    python loadtests/benchmarks/login.py

Starts the embedded system by itself. First: the p99 of reads, alone and beside 20 logins at a time, which is to stay
within 1.5 times. Then: wrong passwords for names that exist and names that do not, in turns, whose medians are to be
within 5 %. The exit code is 1 when a figure is not.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import aiohttp
from system import PASSWORD, p99_ms, register, started

LOGINS = 20
CROWD = "--crowd"  # the option with which this program starts its crowd
READERS = 4
READ_EVERY_S = 0.05  # of each reader: reads are paced, so that they measure the server's delay and not their own crowd
TRIES = 8  # wrong passwords for each account: fewer than delay the next login


async def log_in(http: aiohttp.ClientSession, name: str, password: str, expect: int) -> float:
    """Log in and return the seconds it took."""
    started = time.perf_counter()
    async with http.post("/v1/auth/login", json={"username": name, "password": password}) as answer:
        body: Any = await answer.read()
    assert answer.status == expect, body
    return time.perf_counter() - started


async def reads(http: aiohttp.ClientSession, token: str, seconds: float) -> list[float]:
    """Return the seconds that each of some paced reads took, from when it was due."""
    loop, took = asyncio.get_running_loop(), list[float]()

    async def reader(begin: float) -> None:
        due = begin
        while due < begin + seconds:
            await asyncio.sleep(max(0.0, due - loop.time()))
            async with http.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"}) as answer:
                await answer.read()
                assert answer.status == 200
            took.append(loop.time() - due)
            due += READ_EVERY_S

    begin = loop.time()
    await asyncio.gather(*(reader(begin + n * READ_EVERY_S / READERS) for n in range(READERS)))
    return took


async def beside_logins(
    http: aiohttp.ClientSession, token: str, names: Sequence[str], seconds: float
) -> tuple[list[float], float]:
    """Return the seconds of paced reads while 20 people log in repeatedly, and the logins a second.

    The crowd is a process of its own: readers in it would wait for their neighbours' answers to be parsed.
    """
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    others = await asyncio.create_subprocess_exec(sys.executable, __file__, CROWD, str(http._base_url), *names, **pipes)
    assert others.stdout is not None
    await others.stdout.readline()  # the first login is done
    took = await reads(http, token, seconds)
    per_second, _ = await others.communicate(b"")  # the end of its stdin
    return took, float(per_second)


async def crowd(url: str, names: Sequence[str]) -> None:
    """Log in repeatedly until stdin ends; print a line after the first login, and the logins a second at the end."""
    begun, count = 0.0, 0

    async def log_in_repeatedly(name: str) -> None:
        nonlocal begun, count
        while True:
            await log_in(http, name, PASSWORD, 200)
            if not begun:
                begun = time.monotonic()
                print("begun", flush=True)
            count += 1

    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as http:
        tasks = [asyncio.create_task(log_in_repeatedly(name)) for name in names]
        await asyncio.to_thread(sys.stdin.read)
        print(count / (time.monotonic() - begun))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def main() -> int:
    """Run both measurements; return 0 when both figures hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each round of reads (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many counts (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a moment, to see that it runs: compared with no limits")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 1, 1
    connector = aiohttp.TCPConnector(limit=0)
    async with started() as system, aiohttp.ClientSession(system.api, connector=connector) as http:
        names = [f"person{n}" for n in range(LOGINS)]
        tokens = [await register(http, name) for name in names]
        token = tokens[0]
        await reads(http, token, 2)
        ratios, figures = [], list[tuple[float, float, float]]()
        for _ in range(options.rounds):
            alone = p99_ms(await reads(http, token, options.seconds))
            took, per_second = await beside_logins(http, token, names, options.seconds)
            beside = p99_ms(took)
            ratios.append(beside / alone)
            figures.append((alone, beside, per_second))
            print(f"p99 of reads: {alone:.1f} ms alone, {beside:.1f} ms beside {per_second:.0f} logins/s")
        ratio = median(ratios)
        known, unknown = [], []
        for turn in range(1 if options.quick else TRIES):
            for name in names[: 4 if options.quick else LOGINS]:
                known.append(await log_in(http, name, "not the password", 401))
                unknown.append(await log_in(http, f"nobody{turn}_{name}", "not the password", 401))
        apart = abs(median(known) / median(unknown) - 1)
    print(f"p99 beside logins: {ratio:.2f} times (at most 1.5)")
    print(
        f"a refused login: {median(known) * 1000:.2f} ms for a name that exists, {median(unknown) * 1000:.2f} ms"
        f" for one that does not, {apart:.1%} apart (at most 5 %), {len(known)} pairs"
    )
    alone, beside, logins = (round(median(each), 1) for each in zip(*figures, strict=True))
    found = {
        "reads_alone_p99_ms": alone,
        "reads_beside_p99_ms": beside,
        "logins_per_s": logins,
        "ratio": round(ratio, 2),
    }
    found |= {
        "refused_known_ms": round(median(known) * 1000, 2),
        "refused_unknown_ms": round(median(unknown) * 1000, 2),
    }
    print(json.dumps(found | {"apart_percent": round(100 * apart, 1)}))
    return 0 if options.quick or (ratio <= 1.5 and apart <= 0.05) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == [CROWD]:
        asyncio.run(crowd(sys.argv[2], sys.argv[3:]))
    else:
        sys.exit(asyncio.run(main()))
