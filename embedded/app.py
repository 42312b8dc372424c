"""The composition root of the embedded system: one process, one event loop, two ports or one, one child process."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr
from rich.console import Console

import api.app
import workers.app
from api.settings import SERVICES, RestSettings
from embedded import seeding
from embedded.folder import claim
from embedded.local_broker import LocalBroker
from embedded.one_port import mount
from embedded.settings import EmbeddedRest, EmbeddedSettings
from embedded.store import Store
from realtime.app import Gateway
from realtime.settings import GatewaySettings
from social.accounts.login import TokenIssuer
from social.infra.broker.broker import Broker
from social.infra.broker.opening import broker_of
from social.infra.broker.outbox import Outbox
from social.infra.files.blobs import blobs
from social.infra.files.mailer import MailSettings
from social.infra.observe import logs, tracing
from social.infra.process import process
from social.infra.process.health import Health
from social.infra.process.plaza import Plaza
from social.infra.process.running import configured, running
from social.infra.process.starting import migrated
from social.infra.redis import redis
from social.infra.security.keyfiles import JWKS, JWT_PRIVATE_KEY, PID_KEY, REFRESH_KEY, make_keys
from social.infra.security.passwords import Passwords
from social.infra.security.refresh_tokens import RefreshTokens
from social.infra.security.tokens import Signer, Verifier
from social.infra.settings import StartError, load
from social.infra.store.mongo import Mongo
from social.ops.refolding import refold
from workers.mail import MailConsumer

log = logs.get("embedded")


def prepare() -> EmbeddedSettings:
    """Load what a start needs before it opens its folder; raises StartError."""
    settings = configured(EmbeddedSettings, "embedded")
    seeding.check(settings)
    return settings


async def main() -> bool:
    """Run the whole system until a signal stops it; return whether it ended well."""
    settings = prepare()
    with claim(settings.plaza_var):
        issuer = load_keys(settings.plaza_var)
        realtime = gateway_settings(settings)
        tasks = process.Tasks()
        with closing(issuer.passwords), closing(tracing):
            async with connect(settings, tasks) as plaza, running(plaza, tasks):
                shown = await seeding.fill_empty(settings, plaza, tasks)
                await plaza.revocations.poll()
                health = Health({"mongo": plaza.mongo.ping, "broker": plaza.broker.ping})
                gateway = Gateway(realtime, plaza, issuer.verifier, tasks)
                async with serve(settings, plaza, issuer, health=health, gateway=gateway, tasks=tasks) as api_port:
                    print_addresses(settings, api_port, gateway.port)
                    await seeding.print_people(settings, plaza, shown)
                    await tasks.until_stopped()
                    health.stopping = True
                    await gateway.drain()
    return not tasks.failed


@asynccontextmanager
async def connect(settings: EmbeddedSettings, tasks: process.Tasks) -> AsyncIterator[Plaza]:
    """Connect the system to its embedded store, Redis and broker, or to servers that the settings name."""
    store = None if settings.mongo_url else embedded_store(settings)
    try:
        url = settings.mongo_url or (await store.start() if store else "")
        mongo = Mongo(url, settings.mongo_database)
        await migrated(mongo, math.inf, lambda waits_for: log.warning("waiting", waits_for=waits_for), last=True)
        await refold(mongo)
        outbox = Outbox(mongo)
        broker: Broker
        if settings.broker_url:
            broker = broker_of(settings.broker_url, settings.amqp_prefix, outbox, settings.worker_partitions)
        else:
            broker = local = LocalBroker(mongo, outbox)
            await local.recover()
        plaza = Plaza.over(mongo, _redis(settings), broker, outbox)
        try:
            if store:
                tasks.keep("store", store.keep)
                tasks.keep("store health", store.watch)
            yield plaza
        finally:
            await broker.close()
            if store:
                store.stop()  # while its client is still open, which is faster
            await plaza.close()
    finally:
        if store:
            store.stop()


@asynccontextmanager
async def serve(
    settings: EmbeddedSettings,
    plaza: Plaza,
    issuer: TokenIssuer,
    *,
    health: Health,
    gateway: Gateway,
    tasks: process.Tasks,
) -> AsyncIterator[int]:
    """Run API, gateway and workers on the running loop until the block ends; yield the port of the API."""
    rest = rest_settings(settings)
    app = api.app.create(plaza, issuer, health, rest, lambda: gateway.port, one_port=settings.one_port)
    if settings.one_port:
        mount(gateway.transport.mount(), app)
    pictures = blobs(rest.media_url)
    runner: web.AppRunner | None = None
    try:
        plaza.start(tasks)
        await gateway.start()
        workers.app.start(
            plaza, tasks, MailConsumer.of(mail_settings(settings)), pictures, fanout_limit=settings.fanout_limit
        )
        # Handlers end with their clients on one port alone, where a held poll is one of them.
        bounds = {"shutdown_timeout": 1, "handler_cancellation": settings.one_port}
        runner = await process.listen(app, settings.host, rest.api_port, **bounds)
        yield int(runner.addresses[0][1])
    finally:
        await gateway.stop()
        if runner is not None:
            await runner.cleanup()
        await pictures.close()


def embedded_store(settings: EmbeddedSettings) -> Store:
    """Return the embedded store of these settings, not started."""
    return Store(settings.plaza_var.resolve(), settings.embedded_store, settings.embedded_cache_mb)


def rest_settings(settings: EmbeddedSettings) -> RestSettings:
    """Return the settings of REST; pictures are stored beside the other data, unless MEDIA_URL is set."""
    return load(
        RestSettings if settings.one_port else EmbeddedRest,
        "embedded",
        api_port=settings.rest_port,
        api_services=SERVICES,
        media_url=seeding.media_url(settings),
    )


def gateway_settings(settings: EmbeddedSettings) -> GatewaySettings:
    """Return the settings of the gateway; those that are not set here come from the environment."""
    try:
        pid_key = (settings.plaza_var / PID_KEY).read_text()
    except (OSError, ValueError) as error:
        raise StartError(f"cannot use the keys in {settings.plaza_var}: {error}") from None
    engine = {"realtime_engine": "portable"} if settings.one_port else {}  # the native engine has its own port
    return load(
        GatewaySettings,
        "embedded",
        **engine,
        realtime_host=settings.host,
        realtime_port=settings.realtime_port,
        drain_s=settings.drain_s,
        pid_key=SecretStr(pid_key),
        origins=rest_settings(settings).allowed_origins,
    )


def mail_settings(settings: EmbeddedSettings) -> MailSettings:
    """Return the settings of mail: files beside the other data, unless MAILER_URL and MAIL_LINKS are set."""
    given = load(MailSettings, "embedded")
    defaults = {
        "mailer_url": f"file:{settings.plaza_var / 'mail'}",
        "mail_links": f"http://localhost:{settings.rest_port}",
    }
    return load(
        MailSettings,
        "embedded",
        **{name: value for name, value in defaults.items() if name not in given.model_fields_set},
    )


def load_keys(folder: Path) -> TokenIssuer:
    """Load the keys in this folder, which the first start creates; raises StartError."""
    try:
        make_keys(folder)
        refresh = RefreshTokens((folder / REFRESH_KEY).read_bytes())
        signer, verifier = Signer.of_file(folder / JWT_PRIVATE_KEY), Verifier.of_file(folder / JWKS)
        if not verifier.accepts(signer.kid):
            raise ValueError(f"{JWKS} does not hold the public half of {JWT_PRIVATE_KEY}")
        signer.follow(verifier.accepts)
        return TokenIssuer(signer=signer, refresh=refresh, passwords=Passwords(), verifier=verifier)
    except (OSError, ValueError) as error:
        raise StartError(f"cannot use the keys in {folder}: {error}") from None


def _redis(settings: EmbeddedSettings) -> redis.Redis:
    if settings.redis_url:
        return redis.connect(settings.redis_url)
    from fakeredis import FakeAsyncRedis

    client: redis.Redis = FakeAsyncRedis()
    return client


def print_addresses(settings: EmbeddedSettings, api_port: int, realtime_port: int) -> None:
    """Print the addresses of the system and the folder of its data."""
    show = Console(highlight=False).print
    show("[bold]Plaza is running.[/bold]  Ctrl-C stops it.")
    show(f"  API and docs   http://localhost:{api_port}/docs")
    show(f"  Socket.IO      http://localhost:{realtime_port or api_port}")
    show(f"  data           {settings.plaza_var}/")
