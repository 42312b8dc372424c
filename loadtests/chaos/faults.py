"""The faults by name: each does its harm to a running system, and undoes what it can when its time is over."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import aio_pika
import aiohttp
import redis.asyncio
from support.processes import CRASH

from devtools.cluster.server import StartFailed
from loadtests.chaos import network
from loadtests.chaos.link import CLEAR, Weather, Who, of_process
from loadtests.chaos.plan import Fault
from loadtests.chaos.poison import deadly_poison, poison
from loadtests.chaos.scene import Scene
from loadtests.chaos.system import System

SLOW = Weather(delay_s=0.15)
LOSSY = Weather(lost=0.2)
DEAF = Weather(silent=("up",))  # the server hears nothing
MUTE = Weather(silent=("down",))  # the process hears nothing
HIDING = Weather(hides_commits=True)
CLOSES_AFTER_S = 3.0
STEP_S = 300
OLDER_WITHIN_S = 60.0
LOST = 20  # percent of the packets in each direction


# Errors of a harm whose target another fault had ended; TimeoutError is an OSError.
GONE = (OSError, StartFailed, redis.asyncio.RedisError, aio_pika.exceptions.AMQPError)

Harm = Callable[[Scene, Fault], Awaitable[None]]


async def killed(scene: Scene, fault: Fault) -> None:
    """Send SIGKILL; the supervisor starts the part again."""
    scene.system.kill(fault.target)


async def frozen(scene: Scene, fault: Fault) -> None:
    """Send SIGSTOP to a process and its children, and SIGCONT later: all its connections stay open meanwhile."""
    pid = scene.system.pid(fault.target)
    scene.system.signal_group(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.for_s)
    finally:
        scene.system.signal_group(pid, signal.SIGCONT)


def _server(scene: Scene, fault: Fault) -> str:
    return fault.target.rpartition("> ")[2]


async def dies_at_a_step(scene: Scene, fault: Fault) -> None:
    """Let a worker kill itself at a named step of its next like, and not again."""
    name, once = "workers-1", scene.system.folder / "crashed"
    once.unlink(missing_ok=True)
    environment = {"CRASH_ONCE": str(once)}
    command = [sys.executable, "-P", str(CRASH), fault.target, "workers"]
    await scene.system.replace(name, scene.system.program(name, command=command, environment=environment))


async def redis_emptied(scene: Scene, fault: Fault) -> None:
    """Delete everything in Redis."""
    async with _redis(scene) as client:
        await client.flushall()


async def redis_out_of_memory(scene: Scene, fault: Fault) -> None:
    """Let Redis refuse every write that needs memory."""
    async with _redis(scene) as client:
        await client.config_set("maxmemory", 1)
        try:
            await asyncio.sleep(fault.for_s)
        finally:
            await _until_done(lambda: client.config_set("maxmemory", 0))


async def rabbitmq_out_of_memory(scene: Scene, fault: Fault) -> None:
    """Raise RabbitMQ's memory alarm: it takes nothing from publishers, and says nothing."""
    try:
        await scene.system.rabbitmq.alarm(True)
    except RuntimeError as error:
        raise ConnectionError(str(error)) from error
    try:
        await asyncio.sleep(fault.for_s)
    finally:
        await _until_done(lambda: scene.system.rabbitmq.alarm(False))


async def disk_full(scene: Scene, fault: Fault) -> None:
    """Fill the disk of the document store."""
    scene.system.fill_disk()
    try:
        await asyncio.sleep(fault.for_s)
    finally:
        scene.system.empty_disk()


def weather(what: Weather) -> Harm:
    """Return the harm that changes the weather of a link for a while."""

    async def harm(scene: Scene, fault: Fault) -> None:
        link = scene.system.links[_server(scene, fault)]
        link.change(what, _who(scene, fault))
        try:
            await asyncio.sleep(fault.for_s)
        finally:
            link.change(CLEAR)

    return harm


async def link_reset(scene: Scene, fault: Fault) -> None:
    """Reset connections, with what was on its way."""
    scene.system.links[_server(scene, fault)].reset(_who(scene, fault))


async def link_closed_slowly(scene: Scene, fault: Fault) -> None:
    """Close connections at the server, and three seconds later at the process."""
    await scene.system.links[_server(scene, fault)].close_slowly(CLOSES_AFTER_S, _who(scene, fault))


def _who(scene: Scene, fault: Fault) -> Who | None:
    process = fault.target.partition(" >")[0]
    return of_process(scene.system.pid(process)) if " >" in fault.target and process != "*" else None


def packets(percent: int) -> Harm:
    """Return the harm that has the kernel drop packets between the links and a server for a while."""

    async def harm(scene: Scene, fault: Fault) -> None:
        port = scene.system.servers[fault.target].port
        network.drop(port, percent)
        try:
            await asyncio.sleep(fault.for_s)
        finally:
            network.drop_no_more(port, percent)

    return harm


async def clock_stepped(scene: Scene, fault: Fault) -> None:
    """Step the clock of a process five minutes ahead or back."""
    name, sign = fault.target.split()
    scene.system.step_clock(name, int(f"{sign}{STEP_S}"))
    try:
        await asyncio.sleep(fault.for_s)
    finally:
        scene.system.step_clock(name, 0)


async def slow_reader(scene: Scene, fault: Fault) -> None:
    """Open a second socket of a person and read nothing from it."""
    url = f"{scene.system.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as reader:
        await reader.send_str(f'40{{"token":"{scene.crowd.people[0].token}"}}')
        if sock := reader.get_extra_info("socket"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        await asyncio.sleep(fault.for_s)


async def nginx_reloaded(scene: Scene, fault: Fault) -> None:
    """Have nginx load its configuration again: new workers, while old ones finish."""
    scene.system.signal_leader("nginx", signal.SIGHUP)


async def rolled(scene: Scene, fault: Fault) -> None:
    """Replace all processes of a kind, one after another, by SIGTERM."""
    async for _ in scene.system.supervisor.roll([fault.target]):
        pass


async def previous_release(scene: Scene, fault: Fault) -> None:
    """Run another release's process in the place of one of today's, beside all others, and then today's again."""
    name, system = fault.target, scene.system
    await system.replace(name, system.older(name))
    try:
        await system.ready(OLDER_WITHIN_S)
        await asyncio.sleep(fault.for_s)
    except TimeoutError:
        raise RuntimeError(f"{name} of the other release is not ready after {OLDER_WITHIN_S:g} s") from None
    finally:
        await system.replace(name, system.program(name))


HARMS: Mapping[str, Harm] = {
    "killed": killed,
    "frozen": frozen,
    "dies at a step": dies_at_a_step,
    "server killed": killed,
    "server frozen": frozen,
    "redis emptied": redis_emptied,
    "redis out of memory": redis_out_of_memory,
    "rabbitmq out of memory": rabbitmq_out_of_memory,
    "disk full": disk_full,
    "commit unanswered": weather(HIDING),
    "slow link": weather(SLOW),
    "lossy link": weather(LOSSY),
    "link reset": link_reset,
    "link deaf": weather(DEAF),
    "link mute": weather(MUTE),
    "packets lost": packets(LOST),
    "packets blocked": packets(100),
    "link closed slowly": link_closed_slowly,
    "clock stepped": clock_stepped,
    "poison": poison,
    "deadly poison": deadly_poison,
    "slow reader": slow_reader,
    "nginx reloaded": nginx_reloaded,
    "rolled": rolled,
    "previous release": previous_release,
}


def lacking(kind: str, system: System) -> str:
    """Return what this machine lacks for a kind of fault, or nothing."""
    if kind == "disk full" and not system.small_disk:
        return "no disk may be mounted"
    if kind.startswith("packets"):
        return network.lacking()
    if kind == "previous release" and system.previous is None:
        return "no release is named (PREVIOUS=a commit or tag)"
    return ""


@asynccontextmanager
async def _redis(scene: Scene) -> "AsyncIterator[redis.asyncio.Redis]":
    client = redis.asyncio.Redis.from_url(scene.system.redis.url, socket_timeout=10)
    try:
        yield client
    finally:
        await client.aclose()


async def _until_done(work: Callable[[], Awaitable[object]]) -> None:
    """Undo a fault, also where the server was killed meanwhile: a new process is well by itself."""
    for _ in range(20):
        with suppress(OSError, RuntimeError, TimeoutError, redis.asyncio.RedisError):
            await work()
            return
        await asyncio.sleep(0.5)
