"""nginx where gateways are named by their address, and behind a load balancer, as in deploy/aws."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import require
from support.eventually import eventually
from support.nginx import Listener, Nginx, before, listening
from support.people import door_to
from support.ports import free_ports

from devtools.generate.nginx import AWS, SOURCE, ByAddress, render
from realtime.engine import Options, choose

FILES = Path(__file__).parents[2] / "deploy/aws/nginx"
PLAIN = {"Content-Type": "text/plain;charset=UTF-8"}
ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.9.0.2")  # the last is in another network


@pytest.fixture
async def nginx(tmp_path: Path) -> AsyncIterator[tuple[Nginx, Listener]]:
    """nginx before an API and three gateways on one port; the first two are newcomers' servers."""
    require(Nginx)
    (port,) = free_ports(1)
    api = Listener("api")
    gateways = [Listener(each, host=each, port=port) for each in ADDRESSES]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(listening(api, *gateways))
        newcomers = [each.server for each in gateways[:2]]
        named = ByAddress(newcomers=newcomers, network="127.0", port=port)
        topology = before([api.server], {}, by_address=named, balancers=["127.0.0.0/24"])
        server = Nginx(tmp_path, topology)
        stack.push_async_callback(server.kill)
        await server.start()
        yield server, api


async def test_a_session_id_leads_to_the_address_in_it(nginx: tuple[Nginx, Listener]) -> None:
    async with door_to(nginx[0].url) as door:
        for address in ADDRESSES[:2] * 2:
            sid = f"ip-{address.replace('.', '-')}.secret"
            assert (await door.ask("GET", f"/socket.io/?EIO=4&sid={sid}")).body == {"by": address}


async def test_polls_find_the_gateway_that_made_their_session(tmp_path: Path) -> None:
    require(Nginx)
    (port,) = free_ports(1)
    hosts = ADDRESSES[:2]
    engines = [choose("portable")(Options(node=f"ip-{each.replace('.', '-')}")) for each in hosts]
    named = ByAddress(newcomers=[f"{each}:{port}" for each in hosts], network="127.0", port=port)
    async with AsyncExitStack() as stack:
        for engine, host in zip(engines, hosts, strict=True):
            await engine.start(host, port)
            stack.push_async_callback(engine.stop)
        server = Nginx(tmp_path, before(["127.0.0.1:1"], {}, by_address=named))
        await server.start()
        stack.push_async_callback(server.kill)
        door = await stack.enter_async_context(door_to(server.url))
        made = set()
        for _ in range(8):
            opened = (await door.ask("GET", "/socket.io/?EIO=4&transport=polling")).raw.decode()
            sid = json.loads(opened.removeprefix("0"))["sid"]
            made.add(sid.partition(".")[0])
            path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
            for _ in range(3):
                assert (await door.ask("POST", path, data=b"4hello", headers=PLAIN)).raw == b"ok"
    assert made == {"ip-127-0-0-2", "ip-127-0-0-3"}


async def test_a_session_id_leads_nowhere_else(nginx: tuple[Nginx, Listener]) -> None:
    """The third gateway listens on the right port of an address in another network."""
    async with door_to(nginx[0].url) as door:
        for host in ("127-9-0-2", "127-0-0-256", "127-0-0-02", "127-0-0", "127-0-0-2-1", "10-0-0-2", "x"):
            asked = [await door.ask("GET", f"/socket.io/?EIO=4&sid=ip-{host}.secret") for _ in range(4)]
            assert {each.body["by"] for each in asked} == set(ADDRESSES[:2]), host


async def test_a_gateway_that_went_away_is_answered_by_503(nginx: tuple[Nginx, Listener]) -> None:
    async with door_to(nginx[0].url) as door:
        (await door.ask("GET", "/socket.io/?EIO=4&sid=ip-127-0-0-77.secret")).refused(503, "unavailable")


async def test_the_load_balancer_says_who_asks_and_how(nginx: tuple[Nginx, Listener]) -> None:
    """A balancer appends the address it heard from: what stands left of it is the client's own claim."""
    server, api = nginx
    said = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9", "X-Forwarded-Proto": "https"}
    async with door_to(server.url) as door:
        answer = await door.ask("GET", "/v1/feed", headers=said)
    assert api.heard[-1].header("X-Forwarded-For") == ["203.0.113.9"]
    assert api.heard[-1].header("X-Forwarded-Proto") == ["https"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"

    async def logged() -> None:
        assert [line["from"] for line in server.requests()][-1:] == ["203.0.113.9"]

    await eventually(logged)


async def test_nobody_but_the_load_balancer_is_believed(tmp_path: Path) -> None:
    require(Nginx)
    api = Listener("api")
    async with listening(api):
        server = Nginx(tmp_path, before([api.server], {"realtime-1": "127.0.0.1:1"}, balancers=["127.7.0.0/16"]))
        await server.start()
        try:
            async with door_to(server.url) as door:
                said = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
                answer = await door.ask("GET", "/v1/feed", headers=said)
        finally:
            await server.stop()
    assert api.heard[-1].header("X-Forwarded-For") == ["127.0.0.1"]
    assert api.heard[-1].header("X-Forwarded-Proto") == ["http"]
    assert "Strict-Transport-Security" not in answer.headers


NGINX = f"""#!{sys.executable}
import os, pathlib, signal, sys
said = pathlib.Path(os.environ["RUN"], "said")
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGQUIT])
said.write_text(" ".join(sys.argv[1:]))
signal.sigwait([signal.SIGQUIT])
"""


@pytest.fixture
def task(tmp_path: Path) -> dict[str, str]:
    """The environment of start.sh, with the files of the image, a DNS server, and a program in nginx's place."""
    files, run, bin_folder = tmp_path / "files", tmp_path / "run", tmp_path / "bin"
    for each in (files, run, bin_folder):
        each.mkdir()
    for each in (*SOURCE.glob("*.conf"), FILES / "topology.conf"):
        (files / each.name).write_text(each.read_text())
    (bin_folder / "nginx").write_text(NGINX)
    (bin_folder / "nginx").chmod(0o755)
    (tmp_path / "resolv.conf").write_text("search ec2.internal\nnameserver 10.7.0.2\nnameserver 10.7.0.3\n")
    path = f"{bin_folder}:{os.environ['PATH']}"
    given = {"FILES": files, "RUN": run, "RESOLV_CONF": tmp_path / "resolv.conf", "PATH": path, "VPC_NUMBER": "7"}
    return {name: str(value) for name, value in given.items()}


async def test_a_task_writes_its_topology_and_ends_in_order(task: dict[str, str]) -> None:
    said = Path(task["RUN"]) / "said"
    program = await asyncio.create_subprocess_exec("sh", FILES / "start.sh", env=task)
    try:
        async with asyncio.timeout(60):
            while not said.exists() or not said.read_text():
                await asyncio.sleep(0.01)
            program.send_signal(signal.SIGTERM)
            assert await program.wait() == 0
    finally:
        if program.returncode is None:
            program.kill()
    conf = said.parent / "plaza"
    assert said.read_text() == f"-p {said.parent}/ -e stderr -c {conf}/nginx.conf -g daemon off;"
    assert AWS.by_address is not None
    by_address = replace(AWS.by_address, network="10.7")
    expected = replace(AWS, resolver="10.7.0.2", by_address=by_address, balancers=["10.7.0.0/16"])
    assert (conf / "topology.conf").read_text() == render(expected)


@pytest.mark.parametrize(
    ("wrong", "says"), [({"VPC_NUMBER": "7.0"}, "VPC_NUMBER is wrong"), ({"RESOLV_CONF": "/dev/null"}, "no nameserver")]
)
def test_a_task_that_cannot_start_says_why(task: dict[str, str], wrong: dict[str, str], says: str) -> None:
    done = subprocess.run(
        ["sh", FILES / "start.sh"], env=task | wrong, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert says in done.stderr
