"""nginx as a program of the cluster: one port for all of its processes."""

from collections.abc import Sequence
from pathlib import Path

from devtools.cluster.program import Program, Say
from devtools.cluster.settings import ClusterSettings
from devtools.cluster.topology import Process
from devtools.generate import nginx

STOP_WITHIN_S = 5.0  # SIGTERM ends it at once


def nginx_program(settings: ClusterSettings, folder: Path, plan: Sequence[Process], say: Say) -> Program:
    """Write nginx's configuration for these processes into `folder`, and return the program that runs it."""
    folder.mkdir(exist_ok=True)
    services: dict[str, list[str]] = {}
    for process in plan:
        for service in process.services:
            services.setdefault(service, []).append(process.address)
    nodes = {process.name: process.address for process in plan if process.module == "realtime"}
    # Everybody on this machine has one address, for which the limits of one address would be too small.
    topology = nginx.Topology(services, nodes, [f"{settings.host}:{settings.port}"], unlimited=["127.0.0.0/8"])

    def without_notices(who: str, line: str) -> None:
        if "[notice]" not in line:  # nginx logs a notice for each start and end of its workers
            say(who, line)

    return Program(
        "nginx",
        nginx.prepare(folder, topology),
        ready_url=f"http://{settings.host}:{settings.port}/docs",
        say=without_notices,
        stop_within_s=STOP_WITHIN_S,
        kind="group",
    )
