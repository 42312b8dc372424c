"""nginx in front of the cluster's processes: one port for everything."""

from collections.abc import Sequence
from pathlib import Path

from devtools.cluster.program import Program, Say
from devtools.cluster.settings import ClusterSettings
from devtools.cluster.topology import Process
from devtools.generate import nginx

STOP_WITHIN_S = 5.0  # SIGTERM ends it at once


def front(settings: ClusterSettings, folder: Path, plan: Sequence[Process], say: Say) -> Program:
    """nginx as it stands before production's processes, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    services: dict[str, list[str]] = {}
    for process in plan:
        for service in process.services:
            services.setdefault(service, []).append(process.address)
    nodes = {process.name: process.address for process in plan if process.module == "realtime"}
    # Everybody on one's own machine has one address, which would have to share one person's room.
    topology = nginx.Topology(services, nodes, [f"{settings.host}:{settings.port}"], unlimited=["127.0.0.0/8"])

    def worth_it(who: str, line: str) -> None:
        if "[notice]" not in line:  # of each of its processes, how it starts and ends
            say(who, line)

    return Program(
        "nginx",
        nginx.prepare(folder, topology),
        ready_url=f"http://{settings.host}:{settings.port}/docs",
        say=worth_it,
        stop_within_s=STOP_WITHIN_S,
        kind="group",
    )
