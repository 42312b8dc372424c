"""`python -m realtime`: a gateway over real servers, until a signal stops it."""

from pydantic import SecretStr

from realtime.app import Gateway
from realtime.settings import PID_KEY_CHARACTERS, Settings
from social.infra.observe import logs, tracing
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks, run
from social.infra.process.starting import wait_on_port
from social.infra.process.watching import watch_servers
from social.infra.security.tokens import Verifier
from social.infra.settings import StartError, load


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
    settings = with_pid_key(load(Settings, "realtime"))
    logs.configure("realtime", settings)
    tracing.configure("realtime", settings)
    return settings, _verifier(settings)


async def main() -> bool:
    """Serve, drain, stop; return False when background work failed."""
    settings, verifier = prepare()
    tasks = Tasks()
    plaza = Plaza.connect(settings)
    gateway = Gateway(settings, plaza, verifier, tasks)
    tasks.obey_signals()
    try:
        tasks.start("server watch", watch_servers(plaza.redis, plaza.broker))
        host, port = settings.realtime_host, settings.realtime_port
        if not await wait_on_port(gateway.health, host, port, plaza.mongo, tasks):
            await tasks.until_stopped()
            return not tasks.failed
        plaza.start(tasks)
        await gateway.start()
        await tasks.until_stopped()
        await gateway.drain()
    finally:
        await gateway.stop()
        await plaza.publisher.flush(1.0)  # while its task still runs
        await tasks.cancel()
        await plaza.close()
        tracing.close()
    return not tasks.failed


if __name__ == "__main__":
    run(main, prepare)
