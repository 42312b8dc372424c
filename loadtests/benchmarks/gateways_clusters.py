"""The two clusters of the gateway benchmark: Plaza's own gateways, and nodes of stock python-socketio."""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import socketio

from devtools.cluster.ports import free_ports
from loadtests.benchmarks.gateways_processes import HERE, child, command, ready
from loadtests.documents import Documents
from social.contracts.codec import encode
from social.contracts.pushes import Push, frame, offset, user_room
from social.infra import clock
from social.infra.redis.pushing import Pushes
from social.infra.redis.redis import connect
from social.infra.security.tokens import Signer, new_private_key
from social.infra.store import schema
from social.infra.store.mongo import Mongo

EPOCH = "benchmrk"
# The work for each socket that recurs twice a minute is put off, and nobody is refused.
NOTHING_RECURS = {"HANDSHAKES_PER_S": "100000", "SWEEP_S": "600", "PRESENCE_LEASE_S": "600"}


def notification(user: int, round_: int) -> dict[str, Any]:
    """Return a notification of about the usual size; `t` is the time of sending."""
    actor = {"id": f"{user:024x}", "username": f"user{user}", "display_name": f"User {user}", "avatar_url": None}
    return {
        "t": time.monotonic_ns(), "id": f"{user:024x}", "type": "like",
        "target": {"kind": "post", "id": f"{user:024x}"},
        "post_id": f"{user:024x}", "actors": [actor], "count": round_, "rev": round_, "read_at": None,
    }  # fmt: skip


class PlazaCluster:
    """Plaza's whole gateways over the document store that STORE names."""

    name = "plaza"

    def __init__(
        self, redis_url: str, folder: Path, store: Documents, settings: Mapping[str, str] = NOTHING_RECURS
    ) -> None:
        self._redis_url, self._folder, self._store, self._settings = redis_url, folder, store, settings
        self._signer = Signer(new_private_key())
        (folder / "jwks.json").write_bytes(encode(self._signer.jwks))
        self._pushes = Pushes(connect(redis_url))

    async def prepare(self, users: int) -> None:
        """Write every user's stream, as registering does."""
        mongo = Mongo(self._store.url, self._store.database)
        await schema.migrate(mongo)
        for start in range(0, users, 1_000):
            rows = [
                {"_id": f"{user:024x}", "epoch": EPOCH, "seq": 0, "items": []}
                for user in range(start, min(users, start + 1_000))
            ]
            await mongo.majority("streams").insert_many(rows)
        mongo.close()

    async def gateway(self, stack: AsyncExitStack) -> tuple[int, int]:
        """Start another gateway; return its pid and port."""
        (port,) = free_ports(1)
        env = {
            **self._store.environment, "REDIS_URL": self._redis_url,
            "BROKER_URL": "amqp://guest:guest@127.0.0.1:9/", "JWT_JWKS": str(self._folder / "jwks.json"),
            "REALTIME_HOST": "127.0.0.1", "REALTIME_PORT": str(port), "PID_KEY": "k" * 32, "LOG_LEVEL": "error",
            **self._settings,
        }  # fmt: skip
        process = child(stack, None, sys.executable, "-m", "realtime", env=env, log=self._folder / "log")
        await ready(f"http://127.0.0.1:{port}/readyz")
        return process.pid, port

    def token(self, user: int) -> str:
        return self._signer.sign(f"{user:024x}", f"{user:024x}")

    async def publish(self, users: Sequence[int], round_: int) -> None:
        """Push a stream event to each user: encoded once, in one round trip for all."""
        now = clock.millis(clock.now())
        pushes = []
        for user in users:
            body = frame("notification", notification(user, round_), offset(EPOCH, round_))
            push = Push("S", now, EPOCH, round_, "", body)
            pushes.append((user_room(f"{user:024x}"), push.encode()))
        await self._pushes.send(pushes)


class StockCluster:
    """Nodes of python-socketio, scaled as its documentation says."""

    name = "stock"

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._manager = socketio.AsyncRedisManager(redis_url, write_only=True)

    async def prepare(self, users: int) -> None: ...

    async def gateway(self, stack: AsyncExitStack) -> tuple[int, int]:
        """Start another node; return its pid and port."""
        process = child(stack, None, sys.executable, str(HERE / "gateways_stock.py"), self._redis_url)
        return process.pid, int((await command(process))[0])

    def token(self, user: int) -> str:
        return str(user)

    async def publish(self, users: Sequence[int], round_: int) -> None:
        for user in users:
            await self._manager.emit("notification", notification(user, round_), room=f"user:{user}")
