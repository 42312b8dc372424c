"""A whole Plaza in the process of the test: the API on a free port, and the workers, over real servers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

from fakeredis import FakeAsyncRedis
from passlib.hash import argon2

import api.app
import workers.app
from api.settings import RestSettings
from embedded.local_broker import LocalBroker
from social.accounts.login import TokenIssuer
from social.feeds import FANOUT_LIMIT
from social.infra.broker.broker import Broker
from social.infra.broker.opening import broker_of
from social.infra.broker.outbox import Outbox
from social.infra.files.blobs import blobs
from social.infra.files.mailer import FileMailer, Mailer
from social.infra.process import process
from social.infra.process.health import Health
from social.infra.process.plaza import Plaza
from social.infra.redis.redis import Redis, connect
from social.infra.security.passwords import Passwords
from social.infra.security.refresh_tokens import RefreshTokens
from social.infra.security.tokens import Signer, Verifier, new_private_key
from social.infra.settings import PARTITIONS
from social.infra.store.mongo import Mongo
from support.databases import prepare
from support.mailbox import LINKS, Mailbox
from support.people import Door, door_to
from workers.mail import MailConsumer
from workers.settings import ROLES

SENDER = "plaza@example.org"

# Real hashing is a tenth of a test's time; tests/social/infra/security/test_passwords.py does it.
QUICK_HASH = argon2.using(type="ID", memory_cost=64, time_cost=1, parallelism=1)


# Tests come from one address; tests/api/test_limits.py is about limits.
PLENTY = {f"rate_{policy}": "1000000/1" for policy in ("user", "ip", "login", "register", "reset", "upload", "picture")}


@dataclass(frozen=True)
class Site:
    """A running system."""

    plaza: Plaza
    keys: TokenIssuer
    door: Door
    tasks: process.Tasks
    mailbox: Mailbox
    pictures: Path


@cache
def secrets() -> tuple[bytes, bytes]:
    """Return one signing key and one refresh key for all processes of a test."""
    return new_private_key(), b"a refresh key of a test, 32 bytes or more"


def new_keys() -> TokenIssuer:
    """Return an issuer with these keys; close its `passwords`."""
    private, refresh = secrets()
    signer = Signer(private)
    return TokenIssuer(
        signer=signer, refresh=RefreshTokens(refresh), passwords=Passwords(), verifier=Verifier(signer.jwks)
    )


@asynccontextmanager
async def system(
    mongo_url: str,
    database: str,
    *,
    broker_url: str | None = None,
    redis_url: str | None = None,
    roles: Sequence[str] = ROLES,
    timeout_s: float = 20.0,
    mailer: Mailer | None = None,
    fanout_limit: int = FANOUT_LIMIT,
    partitions: int = PARTITIONS,
    **settings: Any,
) -> AsyncIterator[Site]:
    """Run API and workers; broker and Redis are the embedded system's where no real ones are named."""
    mongo = Mongo(mongo_url, database, timeout_s=timeout_s)
    await prepare(mongo)
    outbox = Outbox(mongo)
    broker: Broker
    if broker_url:
        broker = broker_of(broker_url, "plaza", outbox, partitions)
    else:
        broker = local = LocalBroker(mongo, outbox)
        await local.recover()
    redis: Redis = connect(redis_url) if redis_url else FakeAsyncRedis()
    plaza = Plaza.over(mongo, redis, broker, outbox)
    await plaza.revocations.poll()
    keys, tasks, folder = new_keys(), process.Tasks(), Path(mkdtemp(prefix="plaza-mail-"))
    pictures = folder / "media"
    settings.setdefault("media_url", f"file:{pictures}")
    kept = blobs(settings["media_url"])
    try:
        plaza.start(tasks)
        post = MailConsumer(mailer or FileMailer(folder, SENDER), LINKS)
        workers.app.start(plaza, tasks, post, kept, roles, fanout_limit=fanout_limit)
        with patch("social.infra.security.passwords._hasher", QUICK_HASH):
            async with serving(plaza, keys, **settings) as door:
                yield Site(plaza, keys, door, tasks, Mailbox(folder), pictures)
        assert not tasks.failed, "background work ended by itself"
        assert not tasks.restarts, "background work failed and began anew"
    finally:
        await tasks.cancel()
        await kept.close()
        await plaza.close()
        keys.passwords.close()
        rmtree(folder, ignore_errors=True)  # a mail may just be written


@asynccontextmanager
async def serving(plaza: Plaza, keys: TokenIssuer, **settings: Any) -> AsyncIterator[Door]:
    """Run the API alone, on a free port."""
    health = Health({"mongo": plaza.mongo.ping, "broker": plaza.broker.ping})
    app = api.app.create(plaza, keys, health, RestSettings(**PLENTY | settings))
    runner = await process.listen(app, "127.0.0.1", 0, shutdown_timeout=1)
    try:
        async with door_to(f"http://127.0.0.1:{runner.addresses[0][1]}") as door:
            yield door
    finally:
        await runner.cleanup()
