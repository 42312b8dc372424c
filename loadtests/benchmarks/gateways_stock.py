"""A stock node of a cluster: python-socketio on aiohttp with its own Redis manager: python gateways_stock.py <redis>"""

import asyncio
import sys
from typing import Any

import socketio
import uvloop
from aiohttp import web


async def main(redis_url: str) -> None:
    """Serve until killed; the token is the name of the user."""
    manager = socketio.AsyncRedisManager(redis_url)
    sio = socketio.AsyncServer(async_mode="aiohttp", client_manager=manager, cors_allowed_origins="*")

    async def connect(sid: str, environ: Any, auth: Any) -> None:
        await sio.enter_room(sid, f"user:{auth['token']}")

    sio.on("connect", connect)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    while manager.pubsub is None or not manager.pubsub.subscribed:  # else it begins with its first client
        if not sio.manager_initialized:
            sio.manager_initialized = True
            sio.manager.initialize()
        await asyncio.sleep(0.05)
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
