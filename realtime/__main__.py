"""`python -m realtime`: a gateway over real servers, until a signal stops it."""

from realtime.app import Gateway
from realtime.settings import Settings
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks, run
from social.infra.process.running import configured, connected, running
from social.infra.process.starting import wait_on_port
from social.infra.security import given_keys
from social.infra.security.tokens import Verifier


def prepare() -> tuple[Settings, Verifier]:
    """Load settings and keys, and configure logs and traces, before any server is contacted; raises StartError."""
    settings = configured(Settings, "realtime")
    return settings, given_keys.verifier(settings.jwks, settings.jwt_jwks)


async def main() -> bool:
    """Serve, drain, stop; return False when background work failed."""
    settings, verifier = prepare()
    tasks = Tasks()
    async with connected(settings) as plaza, running(plaza, tasks):
        gateway = Gateway(settings, plaza, verifier, tasks)
        try:
            await serve(gateway, plaza, settings, tasks)
        finally:
            await gateway.stop()
    return not tasks.failed


async def serve(gateway: Gateway, plaza: Plaza, settings: Settings, tasks: Tasks) -> None:
    """Hold sockets from when the store is migrated until the process is stopped, then drain them."""
    if not await wait_on_port(gateway.health, settings.realtime_host, settings.realtime_port, plaza.mongo, tasks):
        await tasks.until_stopped()
        return
    plaza.start(tasks)
    await gateway.start()
    await tasks.until_stopped()
    await gateway.drain()


if __name__ == "__main__":
    run(main, prepare)
