"""Direct access of a load to a system of its own: seed the store, and kill a gateway.

python -m loadtests.own_system USERNAME COUNT    # followers, in MONGO_URL or PLAZA_VAR
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from embedded.store import noted_url

ROOT = Path(__file__).parents[1]


class NoOwnSystem(Exception):
    """No system of our own is there to seed or kill."""


def seed_followers(username: str, count: int) -> None:
    """Give a person `count` followers, written by another process, because this one runs gevent. Raises NoOwnSystem."""
    if count > 0:
        command = [sys.executable, "-m", "loadtests.own_system", username, str(count)]
        done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise NoOwnSystem(done.stderr.strip().rpartition("\n")[2])


def kill_gateway(nodes: Sequence[str]) -> str:
    """Kill (SIGKILL) the gateway that `nodes` name most often; return its name. Raises NoOwnSystem."""
    name, _ = Counter(nodes).most_common(1)[0]
    pids = gateways()
    if name not in pids:
        raise NoOwnSystem(f"the gateway {name or 'without a name'} is not of the cluster in PLAZA_VAR")
    os.kill(pids[name], signal.SIGKILL)
    return name


def gateways() -> dict[str, int]:
    """Return the pid of each gateway of the cluster whose data are in PLAZA_VAR; raises NoOwnSystem."""
    command = [sys.executable, "-m", "devtools.cluster", "status"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoOwnSystem((done.stderr + done.stdout).strip().rpartition("\n")[2])
    parts = map(json.loads, done.stdout.splitlines())
    return {part["name"]: part["pid"] for part in parts if part["name"].startswith("realtime-")}


def store_url() -> str:
    """Return MONGO_URL, or the URL of the embedded store of the system in PLAZA_VAR; raises NoOwnSystem."""
    if url := os.environ.get("MONGO_URL"):
        return url
    folder = Path(os.environ.get("PLAZA_VAR", "var"))
    try:
        return noted_url(folder)
    except OSError:
        raise NoOwnSystem(
            f"no store runs in {folder}; PLAZA_VAR names another folder, MONGO_URL another store"
        ) from None


async def _seed(username: str, count: int) -> None:
    from loadtests.benchmarks.system import follow, people
    from social.infra.store.mongo import Mongo

    mongo = Mongo(store_url(), os.environ.get("MONGO_DATABASE", "plaza"))
    star = await mongo.one("users", {"username": username}, {"_id": 1})
    assert star, f"there is no {username}"
    fans = await people(mongo, count)
    await follow(mongo, [(each, star["_id"]) for each in fans])
    await mongo.update("users", {"_id": star["_id"]}, {"$inc": {"followers": count}})
    mongo.close()


if __name__ == "__main__":
    import asyncio

    try:
        asyncio.run(_seed(sys.argv[1], int(sys.argv[2])))
    except NoOwnSystem as error:
        sys.exit(str(error))
