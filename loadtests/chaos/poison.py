"""The messages that nobody can handle: one that cannot be read, and one that kills every worker that tries."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress

import aio_pika
import pymongo.errors
from support.crash import POISON as DEADLY
from support.crash import POISONED
from support.processes import CRASH

from devtools.cluster.program import Program
from loadtests.chaos.plan import Fault
from loadtests.chaos.scene import Scene
from social.contracts.codec import encode
from social.contracts.envelope import Envelope
from social.contracts.events import PostLiked
from social.infra import clock

UNREADABLE = "poison of a chaos run"
PARKED_WITHIN_S = 60.0  # about seven deaths, and half a second after each
WORKERS = ("workers-1", "workers-2")


def is_poison(raw: str) -> bool:
    """Return whether a parked message is one of these."""
    return raw == UNREADABLE or DEADLY in raw


async def poison(scene: Scene, fault: Fault) -> None:
    """Put a message into a queue that nobody can read."""
    await _put(scene, UNREADABLE.encode(), fault.target)


async def deadly_poison(scene: Scene, fault: Fault) -> None:
    """Put a message into a queue that kills every worker that handles it, until it is parked."""
    command = [sys.executable, "-P", str(CRASH), POISONED, "workers"]
    never = {"CRASH_ONCE": str(scene.system.folder / "never")}
    deadly = {name: scene.system.program(name, command=command, environment=never) for name in WORKERS}
    for name, program in deadly.items():
        await scene.system.replace(name, program)
    event = PostLiked(post_id=DEADLY, author_id=DEADLY, by=DEADLY)
    like = Envelope(id=clock.new_id(), type="PostLiked", v=1, key=DEADLY, at=clock.now(), data=event.model_dump())
    try:
        await _put(scene, encode(like), fault.target)
        await _until_parked(scene, like.id, deadly)
    finally:
        for name in WORKERS:
            await scene.system.replace(name, scene.system.program(name))


async def _until_parked(scene: Scene, event_id: str, deadly: Mapping[str, Program]) -> None:
    """Wait until a message is parked; raises RuntimeError after a minute.

    Raises ConnectionError when another fault put a worker in the place of one that dies.
    """
    until = asyncio.get_running_loop().time() + PARKED_WITHIN_S
    while asyncio.get_running_loop().time() < until:
        if any(scene.system.supervisor.kept(name).part is not program for name, program in deadly.items()):
            raise ConnectionError("another fault started a worker that lives")
        with suppress(pymongo.errors.PyMongoError):  # another fault has the store
            if any(event_id in each for each in await asyncio.to_thread(scene.system.parked)):
                return
        await asyncio.sleep(0.2)
    raise RuntimeError(f"a message that kills workers was not parked within {PARKED_WITHIN_S:g} s")


async def _put(scene: Scene, body: bytes, group: str) -> None:
    async with asyncio.timeout(10):
        connection = await aio_pika.connect(scene.system.rabbitmq.url)
        async with connection:
            channel = await connection.channel()
            message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, f"plaza.{group}")
