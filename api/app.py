"""The composition root of the API process: settings, keys, connections and the application."""

from collections.abc import Callable
from contextlib import closing, suppress

from aiohttp import web

from api import (
    auth,
    comments,
    cors,
    feeds,
    follows,
    forms,
    http,
    likes,
    limits,
    media,
    notifications,
    posts,
    reports,
    search,
    users,
)
from api.decoding import MAX_BODY
from api.docs.pages import add_docs
from api.page import add_page
from api.proxies import PROXIES
from api.request import ADMISSION, AUTHENTICATOR, ISSUER, PICTURE_STORE, PLAZA, REFUSAL_THROTTLE
from api.routing import Service
from api.serving import serve
from api.settings import SERVICES, ApiSettings, RestSettings
from social.accounts.login import Authenticator, TokenIssuer
from social.contracts.problems import Unavailable
from social.infra.files.blobs import blobs, check_store
from social.infra.files.pictures.decoding import AT_ONCE, Decoders
from social.infra.observe import logs
from social.infra.process import process
from social.infra.process.admission import Admission, RefusalThrottle
from social.infra.process.health import Health
from social.infra.process.plaza import Plaza
from social.infra.process.running import configured, connected, running
from social.infra.process.starting import wait_on_port
from social.infra.security import given_keys
from social.infra.security.allowed_origins import AllowedOrigins
from social.infra.security.passwords import Passwords
from social.infra.security.proxies import Proxies
from social.posts.media import PictureStore

log = logs.get("api")

ALL: tuple[Service, ...] = tuple(
    module.service
    for module in (auth, users, search, follows, posts, comments, likes, feeds, notifications, media, reports)
)
assert tuple(service.name for service in ALL) == SERVICES


def create(
    plaza: Plaza,
    authenticator: Authenticator,
    health: Health,
    settings: RestSettings,
    realtime_port: Callable[[], int] | None = None,
    *,
    one_port: bool = False,
) -> web.Application:
    """Build the application over a connected system.

    `realtime_port` returns the port of the gateway, where it runs in this process and may have chosen the port itself;
    else the settings name it. On `one_port` everybody reaches Socket.IO at this port too, and nobody reads metrics.
    """
    app = web.Application(middlewares=[http.problems], client_max_size=MAX_BODY)
    app[ADMISSION] = Admission()
    app[REFUSAL_THROTTLE] = RefusalThrottle()
    app[PLAZA] = plaza
    app[AUTHENTICATOR] = authenticator
    if isinstance(authenticator, TokenIssuer):
        app[ISSUER] = authenticator
    proxies = app[PROXIES] = Proxies(settings.trusted_proxies, settings.client_ip_header)
    app[cors.ORIGINS] = AllowedOrigins(settings.allowed_origins, proxies)
    limits.add(app, plaza.redis, settings)
    chosen = [service for service in ALL if service.name in settings.api_services]
    if media.service in chosen:
        decoders = Decoders(settings.picture_decoders or AT_ONCE)
        picture_store = app[PICTURE_STORE] = PictureStore(decoders, blobs(settings.media_url))
        app[forms.INTAKE] = forms.Intake()
        app.on_cleanup.append(lambda _: picture_store.blobs.close())
    for service in chosen:
        for route in service.routes:
            if route.public and not settings.public_reads:
                continue
            app.router.add_route(route.method, route.path, serve(route))
            if route.method == "GET":
                app.router.add_route("HEAD", route.path, serve(route))
    app.add_routes(health.routes(public=one_port))
    shown = realtime_port or (lambda: settings.realtime_port)
    reached = (lambda: None) if one_port else shown
    add_docs(app, chosen, every=ALL, realtime_port=reached)
    add_page(app, reached)
    app.on_startup.append(_read_cursor_keys)
    return app


async def _read_cursor_keys(app: web.Application) -> None:
    """Read the keys of cursors now, so that no list's first reader waits for them; skip it while the store is away."""
    with suppress(Unavailable):
        await app[PLAZA].mongo.seals.ready()


def load_authenticator(settings: ApiSettings) -> Authenticator:
    """Read the public keys, and the secret ones where this process signs; raises StartError naming the setting."""
    jwks, jwks_file, key_file = settings.jwks, settings.jwt_jwks, settings.jwt_private_key_file
    if not settings.signs:
        return Authenticator(verifier=given_keys.verifier(jwks, jwks_file), passwords=Passwords())
    signer = given_keys.signer(settings.jwt_private_key, key_file)
    refresh = given_keys.refresh_tokens(settings.refresh_key, settings.refresh_key_file)
    verifier = given_keys.verifier_beside(signer, key_file, jwks=jwks, jwks_file=jwks_file)
    signer.follow(verifier.accepts)
    return TokenIssuer(signer=signer, refresh=refresh, passwords=Passwords(), verifier=verifier)


def prepare() -> tuple[ApiSettings, Authenticator]:
    """Load what a start needs before it connects to any server; raises StartError."""
    settings = configured(ApiSettings, "api")
    if media.service.name in settings.api_services:
        check_store(settings.media_url)
    return settings, load_authenticator(settings)


async def main() -> bool:
    """Serve until a signal stops the process; return whether it ended well."""
    settings, authenticator = prepare()
    tasks = process.Tasks()
    with closing(authenticator.passwords):
        async with connected(settings) as plaza, running(plaza, tasks):
            await run(plaza, authenticator, settings, tasks)
    return not tasks.failed


async def run(plaza: Plaza, authenticator: Authenticator, settings: ApiSettings, tasks: process.Tasks) -> None:
    """Answer requests from when the store is migrated until the process is stopped."""
    health = Health({"mongo": plaza.mongo.ping})
    if not await wait_on_port(health, settings.api_host, settings.api_port, plaza.mongo, tasks):
        await tasks.until_stopped()
        return
    plaza.start(tasks)
    app = create(plaza, authenticator, health, settings)
    runner = await process.listen(app, settings.api_host, settings.api_port, shutdown_timeout=settings.drain_s)
    log.info("api listening", port=settings.api_port, services=",".join(settings.api_services))
    await tasks.until_stopped()
    health.stopping = True
    await runner.cleanup()
