"""`python -m realtime`: a gateway over real servers, until a signal stops it."""

from pydantic import SecretStr

from realtime.app import Gateway
from realtime.settings import PID_KEY_CHARACTERS, Settings
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks, run
from social.infra.process.running import configured, connected, running
from social.infra.process.starting import wait_on_port
from social.infra.security.tokens import Verifier
from social.infra.settings import StartError


def _verifier(settings: Settings) -> Verifier:
    try:
        return Verifier.of_file(settings.jwt_jwks)
    except (OSError, ValueError) as error:
        raise StartError(f"JWT_JWKS: cannot use {settings.jwt_jwks}: {error}") from None


def with_pid_key(settings: Settings) -> Settings:
    """Return the settings with the key read from PID_KEY_FILE, if that is set; raises StartError."""
    if settings.pid_key_file is None:
        return settings
    try:
        key = settings.pid_key_file.read_text().strip()
    except (OSError, ValueError) as error:
        raise StartError(f"PID_KEY_FILE: cannot use {settings.pid_key_file}: {error}") from None
    if len(key) < PID_KEY_CHARACTERS:
        raise StartError(f"PID_KEY_FILE: {settings.pid_key_file} holds less than {PID_KEY_CHARACTERS} characters")
    return settings.model_copy(update={"pid_key": SecretStr(key)})


def prepare() -> tuple[Settings, Verifier]:
    """Load settings and keys, and configure logs and traces, before any server is contacted; raises StartError."""
    settings = with_pid_key(configured(Settings, "realtime"))
    return settings, _verifier(settings)


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
