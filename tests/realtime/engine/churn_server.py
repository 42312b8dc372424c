"""A server that broadcasts all the time and shows its own size: python churn_server.py <engine>; prints its port."""

import asyncio
import gc
import json
import os
import sys
from pathlib import Path

import uvloop

from realtime.engine import Options, choose
from realtime.socketio.server import Server


def size(sio: Server) -> dict[str, int]:
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    left = len(sio.engine.sessions) + len(sio.manager.members) + len(sio.environ)
    return {"rss": resident, "fds": len(os.listdir("/proc/self/fd")), "left": left, "tasks": len(asyncio.all_tasks())}


async def main(name: str) -> None:
    sio = Server(choose(name)(Options(settle_timeout_s=1, linger_s=1)))

    @sio.on("echo")
    async def echo(sid, *data):
        await sio.enter_room(sid, "room")
        await asyncio.sleep(0)
        return data

    async def page(path):
        return 200, "application/json", json.dumps(size(sio)).encode()

    sio.engine.page = page
    print(await sio.engine.start("127.0.0.1", 0), flush=True)
    while os.getppid() != 1:
        await sio.emit("tick", {"all": "x" * 100})
        await sio.emit("tick", {"room": "x" * 100}, room="room")
        await asyncio.sleep(0.002)


uvloop.run(main(sys.argv[1]))
