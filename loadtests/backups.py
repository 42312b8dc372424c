"""Measure a backup of the embedded store, and the steps of a restore.

    python loadtests/backups.py [--documents 100000]    # about two minutes

Fills a store in a folder of its own with documents as likes, streams and notifications are, and prints how long the
archive takes, how large it is, and how long each step from the archive to a running store takes.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import pymongo

from embedded.store import Store
from social.infra import clock
from social.infra.store.mongo import Mongo
from social.infra.store.schema import migrate
from social.notifications import streams

BATCH = 1_000
DATABASE = "plaza"


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Print how long the block took."""
    began = time.perf_counter()
    yield
    print(f"| {step} | {time.perf_counter() - began:.1f} s |", flush=True)


def batches(documents: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield as many documents: of ten seven are likes, two notifications, and one is a stream."""
    long_ago = clock.now() - timedelta(days=1)
    for _ in range(0, documents, 10 * BATCH):
        people = [clock.new_id() for _ in range(BATCH)]
        yield "streams", [dict(streams.new(each)) for each in people]
        for _ in range(2):
            yield "notifications", [notification(each, long_ago) for each in people]
        for _ in range(7):
            post_id = clock.new_id()
            yield "interactions", [like(post_id, each, clock.first_id(long_ago)[:8]) for each in people]


def like(post_id: str, user_id: str, second: str) -> dict[str, Any]:
    """Return a like of a second, which begins its id."""
    act = {"like_id": second + clock.new_id()[8:]}
    return {"_id": post_id + user_id, "post_id": post_id, "user_id": user_id, **act}


def notification(recipient: str, at: object) -> dict[str, Any]:
    """Return a group of notifications that was read."""
    post_id = clock.new_id()
    about = {"type": "like", "target": {"kind": "post", "id": post_id}, "post_id": post_id}
    times = {"created_at": at, "updated_at": at, "read_at": at}
    return {"_id": clock.new_id(), "recipient": recipient, **about, "actors": [post_id] * 3, "count": 3, **times}


async def social(url: str, *words: str) -> None:
    """Run a command of the operator."""
    await run(sys.executable, "-m", "social", *words, MONGO_URL=url)


async def run(*command: str, **settings: str) -> None:
    """Run a command, whose output is no part of the table."""
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | settings, stdout=sys.stderr)
    assert await process.wait() == 0


async def filled(url: str, documents: int) -> None:
    """Make collections and indexes, and fill them."""
    mongo = Mongo(url, DATABASE)
    await migrate(mongo)
    mongo.close()
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        for collection, rows in batches(documents):
            await asyncio.to_thread(client[DATABASE][collection].insert_many, rows, ordered=False)


async def measure(folder: Path, documents: int) -> None:
    """Print the table."""
    old, new, archive = folder / "old", folder / "new", folder / "plaza.tar.gz"
    old.mkdir()
    new.mkdir()
    store = Store(old)
    try:
        await filled(await store.start(), documents)
        with timed("`python -m social backup`"):
            await social(store.url, "backup", str(archive))
    finally:
        store.stop()
    on_disk = sum(each.stat().st_size for each in (old / "store").rglob("*") if each.is_file())
    print(f"| size on disk, and of the archive | {on_disk / 1e6:.0f} MB, {archive.stat().st_size / 1e6:.0f} MB |")
    unpack = (Path(sys.executable).with_name("secantus-restore-archive"), "--archive", archive)
    with timed("`secantus-restore-archive`"):
        await run(*map(str, unpack), "--target-dir", str(new / "store"))
    restored = Store(new)
    try:
        with timed("start of the store"):
            await restored.start()
        with timed("`python -m social restored`"):
            await social(restored.url, "restored", (clock.now() - timedelta(minutes=1)).isoformat())
    finally:
        restored.stop()


def main() -> None:
    """Measure in a folder that is removed afterwards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000, help="default: %(default)s")
    options = parser.parse_args()
    print(f"{options.documents:,} documents\n\n| step | took |\n|---|---|")
    with TemporaryDirectory(prefix="plaza-backup-") as folder:
        asyncio.run(measure(Path(folder), options.documents))


if __name__ == "__main__":
    main()
