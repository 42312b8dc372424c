"""The doctor finds nothing where nothing is wrong, and each fault that is really made, by its name."""

import json
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import aiohttp
import pymongo
import pytest
from aiohttp import web
from conftest import require, run, serve
from support.eventually import eventually
from support.network import tunnel
from support.ports import free_ports
from support.processes import Program
from support.servers import DocumentStore, ManagedRabbit, RedisServer
from support.site import system

from social.infra import clock
from social.infra.broker.topology import Topology
from social.infra.process.process import listen
from social.infra.redis.redis import connect
from social.infra.security import keyfiles
from social.infra.store.mongo import Mongo
from social.infra.store.schema import migrate
from social.ops import doctor
from social.ops.doctor import Finding, Level, rabbitmq
from social.ops.doctor.findings import passwords, where

SECRET = "hunter2-and-more"
Given = dict[str, str]


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedRabbit]:
    require(ManagedRabbit)
    yield from serve(ManagedRabbit(tmp_path_factory.mktemp("managed")))


@pytest.fixture(scope="module")
def kept_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    require(RedisServer)
    yield from serve(RedisServer(tmp_path_factory.mktemp("kept"), append_only=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with keys, as `python -m social keys` makes them."""
    keyfiles.make_keys(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def vhost(rabbit: ManagedRabbit) -> Iterator[str]:
    name = f"test-{uuid4().hex[:12]}"
    run(rabbit.add_vhost(name))
    yield name
    run(rabbit.delete_vhost(name))


@pytest.fixture
def given(
    mongo_url: str, mongo_database: str, kept_redis: RedisServer, rabbit: ManagedRabbit, vhost: str, folder: Path
) -> Given:
    """Return the settings of a healthy system."""
    return {
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": mongo_database,
        "REDIS_URL": kept_redis.url,
        "BROKER_URL": rabbit.url_of(vhost),
        "AMQP_MANAGEMENT_URL": rabbit.management_url,
        "JWT_PRIVATE_KEY_FILE": str(folder / keyfiles.JWT_PRIVATE_KEY),
        "REFRESH_KEY_FILE": str(folder / keyfiles.REFRESH_KEY),
        "PID_KEY_FILE": str(folder / keyfiles.PID_KEY),
        "MEDIA_URL": f"file:{folder / 'media'}",
    }


@pytest.fixture(autouse=True)
async def enough_memory(kept_redis: RedisServer) -> None:
    async with redis_of(kept_redis.url) as client:
        await client.config_set("maxmemory", "100mb")
        await client.config_set("maxmemory-policy", "volatile-ttl")


@pytest.fixture
async def mongo(given: Given) -> AsyncIterator[Mongo]:
    store = Mongo(given["MONGO_URL"], given["MONGO_DATABASE"])
    await migrate(store)
    yield store
    store.close()


@pytest.fixture
async def channel(given: Given) -> AsyncIterator[Any]:
    """Yield a channel to a RabbitMQ with the whole topology."""
    async with await aio_pika.connect(given["BROKER_URL"]) as connection, connection.channel() as opened:
        await Topology("plaza").declare(opened)
        yield opened


Look = Callable[..., Any]


@pytest.fixture
def look(given: Given, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Return the findings that are not ok for the settings, some of which are changed."""

    async def looked(**settings: str) -> list[Finding]:
        for name in os.environ:
            if name.endswith(("_URL", "_FILE")):
                monkeypatch.delenv(name)
        for name, value in (given | settings).items():
            monkeypatch.setenv(name, value)
        return [each for each in await doctor.examine_named("api") if each.level != Level.OK]

    return looked


@asynccontextmanager
async def redis_of(url: str) -> AsyncIterator[Any]:
    client = connect(url)
    yield client
    await client.aclose()


def says(findings: list[Finding], level: Level, about: str, *words: str) -> None:
    """Assert that a finding has this level and subject, and contains all of these words."""
    of_it = [each for each in findings if each.level == level and each.about == about]
    assert any(all(word in f"{each.says}; {each.remedy}" for word in words) for each in of_it), findings


async def test_nothing_is_found_where_all_is_well(given: Given, tmp_path: Path) -> None:
    urls = {"broker_url": given["BROKER_URL"], "redis_url": given["REDIS_URL"]}
    async with system(given["MONGO_URL"], given["MONGO_DATABASE"], **urls) as site:

        async def at_work() -> None:
            held = await site.plaza.mongo.many("leases", {"until": {"$gt": clock.now()}})
            assert {each["_id"] for each in held} >= {"relay", "sweeper"}

        async def well() -> dict[str, Any]:
            done = await Program("social", "doctor", "--json", folder=tmp_path, **given).start().ended()
            assert done.err == ""
            said: dict[str, Any] = json.loads(done.out)
            assert [each for each in said["findings"] if each["level"] != "ok"] == []
            assert done.code == 0
            return said

        await eventually(at_work)
        said = await eventually(well)  # once all consumers are there
        assert {each["about"] for each in said["findings"]} == {
            *("settings", "mongodb", "redis", "rabbitmq", "clock", "indexes", "bindings", "keys"),
            *("pictures", "outbox", "parked", "workers"),
        }


async def test_servers_that_are_away_are_named_and_no_password_is_shown(tmp_path: Path, folder: Path) -> None:
    ports = free_ports(3)
    given = {
        "MONGO_URL": f"mongodb://plaza:{SECRET}@127.0.0.1:{ports[0]}/",
        "REDIS_URL": f"redis://:{SECRET}@127.0.0.1:{ports[1]}/0",
        "BROKER_URL": f"amqp://plaza:{SECRET}@127.0.0.1:{ports[2]}/",
        "JWT_PRIVATE_KEY_FILE": str(folder / keyfiles.JWT_PRIVATE_KEY),
        "REFRESH_KEY_FILE": str(folder / keyfiles.REFRESH_KEY),
        "MEDIA_URL": f"file:{tmp_path / 'media'}",
    }
    done = await Program("social", "doctor", folder=tmp_path, **given).start().ended()
    assert done.code == 1
    for scheme, name, port in zip(("mongodb", "redis", "amqp"), ("mongodb", "redis", "rabbitmq"), ports, strict=True):
        (line,) = [each for each in done.out.splitlines() if each.split()[:2] == ["problem", name]]
        assert f"{scheme}://127.0.0.1:{port}" in line
        assert "start it, or correct" in line
    assert SECRET not in done.out
    assert done.err == ""
    assert done.out.endswith("3 ok, 0 warning, 3 problem\n")


async def test_missing_and_wrong_settings_are_named_and_the_others_looked_at(look: Look, mongo: Mongo) -> None:
    wrong = {"REDIS_URL": "", "BROKER_URL": f"rabbit:{SECRET}@here", "AMQP_MANAGEMENT_URL": "here"}
    assert {each.about for each in await look(**wrong)} == {"settings", "workers"}
    findings = [each for each in await doctor.examine("api") if each.level != Level.OK]
    refusal = "api would not start: ", "REDIS_URL is missing", "BROKER_URL is wrong", "correct it in", "api/.env"
    says(findings, Level.PROBLEM, "settings", *refusal)
    says(findings, Level.PROBLEM, "settings", "AMQP_MANAGEMENT_URL is wrong")
    assert {each.about for each in findings} == {"settings", "workers"}, findings
    assert SECRET not in str(findings)


async def test_a_check_that_fails_unexpectedly_says_so_and_the_others_report(
    look: Look, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def confused(url: str) -> AsyncIterator[Finding]:
        yield Finding(Level.WARNING, "redis", "found before")
        raise KeyError(f"redis_version of {url}")

    monkeypatch.setattr(doctor.redis, "examine", confused)
    findings = await look(REDIS_URL=f"redis://:{SECRET}@here/0")
    says(findings, Level.WARNING, "redis", "found before")
    says(findings, Level.PROBLEM, "redis", "was not looked at to the end: KeyError")
    says(findings, Level.PROBLEM, "rabbitmq", "there is no exchange")
    says(findings, Level.WARNING, "workers", "nobody does the work of the relay")
    assert SECRET not in str(findings)


async def test_a_url_that_cannot_be_understood_gives_no_piece_of_its_password_away(look: Look) -> None:
    findings = await look(REDIS_URL="redis://:some/thing@127.0.0.1:1/0", MONGO_URL="mongodb://plaza:some:thing@[::1/")
    says(findings, Level.PROBLEM, "redis", "REDIS_URL is wrong")
    says(findings, Level.PROBLEM, "mongodb", "MONGO_URL is wrong")
    assert "some" not in str(findings)


async def test_a_wrong_password_of_redis_is_named(look: Look, kept_redis: RedisServer) -> None:
    async with redis_of(kept_redis.url) as client:
        await client.config_set("requirepass", "right")
        try:
            findings = await look(REDIS_URL=f"redis://:{SECRET}@127.0.0.1:{kept_redis.port}/0")
        finally:
            await client.config_set("requirepass", "")
    says(findings, Level.PROBLEM, "redis", "refuses the user or the password", "REDIS_URL")
    assert SECRET not in str(findings)


async def test_a_wrong_password_and_an_unknown_virtual_host_of_rabbitmq_are_named(
    look: Look, rabbit: ManagedRabbit, vhost: str
) -> None:
    findings = await look(BROKER_URL=rabbit.url_of(vhost).replace("guest:guest", f"guest:{SECRET}"))
    says(findings, Level.PROBLEM, "rabbitmq", "refuses the user or the password", "BROKER_URL")
    assert SECRET not in str(findings)
    says(await look(BROKER_URL=rabbit.url_of("elsewhere")), Level.PROBLEM, "rabbitmq", "no such virtual host")


async def test_a_mongodb_that_is_no_replica_set_or_does_not_know_the_password_is_named(
    look: Look, tmp_path: Path
) -> None:
    store = DocumentStore(tmp_path / "store", "--standalone")
    try:
        await store.start()
        findings = await look(MONGO_URL=store.url)
        says(findings, Level.PROBLEM, "mongodb", "is no replica set", "rs.initiate()")
        roles = [{"role": "readWrite", "db": "plaza"}]
        with pymongo.MongoClient[dict[str, Any]](store.url) as client:
            client.admin.command("createUser", "plaza", pwd="right-password", roles=roles)
        store.words = ("--auth",)
        await store.restart()
        given = {"MONGO_DATABASE": "plaza", "MONGO_URL": store.url.replace("//", f"//plaza:{SECRET}@")}
        findings = await look(**given)
        says(findings, Level.PROBLEM, "mongodb", "refuses the user or the password", "MONGO_URL")
        assert SECRET not in str(findings)
        given["MONGO_URL"] = given["MONGO_URL"].replace(SECRET, "right-password")
        assert "mongodb" not in {each.about for each in await look(**given)}
    finally:
        await store.stop()


async def test_an_index_that_is_gone_and_one_that_is_different_are_named(look: Look, mongo: Mongo) -> None:
    await mongo.database.users.drop_index("email")
    says(await look(), Level.PROBLEM, "indexes", "users.email is missing", "python -m social migrate")
    await mongo.database.users.create_index("email", name="email")
    says(await look(), Level.PROBLEM, "indexes", "users.email is different", "drop")
    await mongo.database.users.drop_index("email")
    await migrate(mongo)
    assert {each.about for each in await look()}.isdisjoint({"indexes", "mongodb"})


async def test_a_missing_binding_is_named(look: Look, channel: Any) -> None:
    group = await channel.get_exchange("plaza.counters")
    await group.unbind("plaza.events", "post.liked.*")
    says(await look(), Level.PROBLEM, "bindings", "plaza.counters is not bound to plaza.events for post.liked.*")
    queue = await channel.get_queue("plaza.counters.3")
    await queue.unbind("plaza.counters", "#.3")
    says(await look(), Level.PROBLEM, "bindings", "plaza.counters.3 is not bound to plaza.counters for #.3")
    await Topology("plaza").declare(channel)
    assert "bindings" not in {each.about for each in await look()}


async def test_bindings_that_cannot_be_seen_are_said_to_be(look: Look, channel: Any) -> None:
    (port,) = free_ports(1)
    findings = await look(AMQP_MANAGEMENT_URL=f"http://127.0.0.1:{port}")
    says(findings, Level.WARNING, "bindings", "cannot be seen", "AMQP_MANAGEMENT_URL")


async def test_what_is_no_management_plugin_does_not_end_the_rest(given: Given, channel: Any) -> None:
    answers: list[object] = [{"error": "elsewhere"}, None, "all well", [1], [{"name": "plaza.feeds"}]]

    async def other(_: web.Request) -> web.Response:
        return web.json_response(answers[0])

    app = web.Application()
    app.router.add_get("/{path:.*}", other)
    (port,) = free_ports(1)
    listening = await listen(app, "127.0.0.1", port)
    try:
        while answers:
            url = f"http://127.0.0.1:{port}"
            findings = [each async for each in rabbitmq.examine(given["BROKER_URL"], Topology("plaza"), url)]
            says(findings, Level.WARNING, "bindings", "is not RabbitMQ's management plugin", "AMQP_MANAGEMENT_URL")
            says(findings, Level.OK, "rabbitmq", "takes a message")
            answers.pop(0)
    finally:
        await listening.cleanup()


async def test_a_user_of_rabbitmq_without_the_rights_of_the_processes_gets_a_finding(
    look: Look, channel: Any, rabbit: ManagedRabbit, vhost: str
) -> None:
    url = await rabbit.add_user(f"{vhost}-uses", vhost, configure="^$", write=".*", read=".*")
    findings = await look(BROKER_URL=url)
    says(findings, Level.PROBLEM, "rabbitmq", "its user may not declare plaza.events and ", "let its user configure")
    says(findings, Level.WARNING, "workers", "nobody consumes plaza.feeds")
    says(findings, Level.WARNING, "bindings", "cannot be seen", "status 401", "give the user the tag management")
    url = await rabbit.add_user(f"{vhost}-writes", vhost, configure=".*", write=".*", read="^$")
    says(await look(BROKER_URL=url), Level.PROBLEM, "rabbitmq", "may not send and receive", "let its user configure")


async def test_a_rabbitmq_that_dies_meanwhile_is_said_to(given: Given, channel: Any, rabbit: ManagedRabbit) -> None:
    findings: list[Finding] = []
    async with tunnel([rabbit.port], random.Random(1)) as way:
        url = given["BROKER_URL"].replace(f":{rabbit.port}/", f":{way.port}/")
        async for each in rabbitmq.examine(url, Topology("plaza"), given["AMQP_MANAGEMENT_URL"]):
            findings.append(each)
            way.close()
    says(findings, Level.PROBLEM, "rabbitmq", "stopped answering")
    says(findings, Level.OK, "bindings", "are there")


async def test_queues_that_are_gone_or_of_another_kind_are_named_and_left_as_they_are(look: Look, channel: Any) -> None:
    await channel.queue_delete("plaza.retry.30s")
    await channel.queue_delete("plaza.feeds")
    await channel.declare_queue("plaza.feeds", durable=True)
    await channel.exchange_delete("plaza.retry.2m")
    for _ in range(2):
        findings = await look()
        says(findings, Level.PROBLEM, "rabbitmq", "there is no queue plaza.retry.30s", "restart any process")
        says(findings, Level.PROBLEM, "rabbitmq", "plaza.feeds was declared with other arguments", "delete it")
        says(findings, Level.PROBLEM, "rabbitmq", "there is no exchange plaza.retry.2m")


async def test_a_policy_that_would_drop_events_is_named(look: Look, channel: Any, given: Given, vhost: str) -> None:
    url = f"{given['AMQP_MANAGEMENT_URL']}/api/policies/{vhost}/tidy"
    login = aiohttp.encode_basic_auth("guest", "guest")
    policy = {"pattern": r"^plaza\.feeds", "definition": {"message-ttl": 60_000}, "apply-to": "queues"}
    async with aiohttp.ClientSession(headers={"Authorization": login}) as session:
        async with session.put(url, json=policy) as answer:
            assert answer.status == 201

        async def found() -> None:
            says(await look(), Level.PROBLEM, "rabbitmq", "policy tidy sets message-ttl for plaza.feeds")

        await eventually(found)


async def test_a_rabbitmq_that_takes_no_messages_is_named(look: Look, channel: Any, rabbit: ManagedRabbit) -> None:
    await rabbit.alarm(True)
    try:
        says(await look(), Level.PROBLEM, "rabbitmq", "takes no messages", "rabbitmq-diagnostics alarms")
    finally:
        await rabbit.alarm(False)


async def test_a_redis_that_forgets_or_grows_is_named(look: Look, redis_url: str) -> None:
    findings = await look(REDIS_URL=redis_url)
    says(findings, Level.WARNING, "redis", "keeps nothing over a restart", "set appendonly yes")
    says(findings, Level.WARNING, "redis", "has no maxmemory")


async def test_a_redis_that_refuses_when_full_or_announces_keys_or_is_a_replica_is_named(
    look: Look, kept_redis: RedisServer
) -> None:
    async with redis_of(kept_redis.url) as client:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("notify-keyspace-events", "KEA")
        try:
            findings = await look()
        finally:
            await client.config_set("notify-keyspace-events", "")
        says(findings, Level.WARNING, "redis", "refuses writes once its memory is full", "volatile-ttl")
        says(findings, Level.WARNING, "redis", "notify-keyspace-events")
        await client.replicaof("127.0.0.1", "1")
        try:
            says(await look(), Level.PROBLEM, "redis", "is a replica", "primary")
        finally:
            await client.replicaof("NO", "ONE")


@pytest.mark.parametrize(("ahead_s", "level"), [(60, Level.PROBLEM), (-60, Level.PROBLEM), (2, Level.WARNING)])
async def test_a_clock_that_is_wrong_is_found(
    ahead_s: int, level: Level, look: Look, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=ahead_s))
    findings = await look()
    says(findings, level, "clock", "this machine and MongoDB are", "s apart", "NTP")
    says(findings, level, "clock", "this machine and Redis are")


async def test_keys_that_others_may_read_or_that_do_not_fit_are_named(look: Look, folder: Path) -> None:
    private, jwks = folder / keyfiles.JWT_PRIVATE_KEY, folder / keyfiles.JWKS
    private.chmod(0o644)
    says(await look(), Level.PROBLEM, "keys", "has mode 644", f"chmod 600 {private}")
    private.chmod(0o440)  # as an orchestrator mounts it, for the group of the process
    jwks.chmod(0o666)
    says(await look(), Level.PROBLEM, "keys", "has mode 666", f"chmod 644 {jwks}")
    jwks.chmod(0o644)
    keyfiles.publish(folder)
    says(await look(), Level.WARNING, "keys", "does not sign yet", f"keys sign {folder}")
    (folder / keyfiles.NEXT_PRIVATE_KEY).replace(private)
    assert "keys" not in {each.about for each in await look()}
    other = folder / "other"
    keyfiles.make_keys(other)
    findings = await look(JWT_JWKS=str(other / keyfiles.JWKS))
    says(findings, Level.PROBLEM, "keys", "does not hold the public half", "keys rotate")
    (folder / keyfiles.REFRESH_KEY).write_bytes(b"short")
    findings = await look(PID_KEY_FILE=str(folder / "nowhere"))
    says(findings, Level.PROBLEM, "keys", "REFRESH_KEY_FILE", "at least 32 bytes")
    says(findings, Level.PROBLEM, "keys", "PID_KEY_FILE", "No such file")


async def test_what_waits_too_long_what_is_parked_and_who_is_missing_are_named(look: Look, mongo: Mongo) -> None:
    await mongo.insert("outbox", {"_id": clock.new_id(), "at": clock.now() - timedelta(minutes=1)})
    await mongo.insert("parked", {"_id": "feeds:1", "at": clock.now()})
    findings = await look()
    says(findings, Level.WARNING, "outbox", "1 events wait in the outbox, the oldest for 6", "relay")
    says(findings, Level.WARNING, "parked", "1 messages", "python -m social parked list")
    says(findings, Level.WARNING, "workers", "nobody does the work of the relay")
    await mongo.insert("outbox", {"_id": clock.new_id(), "at": clock.now() - timedelta(minutes=16)})
    says(await look(), Level.PROBLEM, "outbox", "writes are refused")


def test_a_url_is_shown_without_what_is_secret_in_it() -> None:
    assert where("mongodb://ada:p@ss/w@one,two/db?replicaSet=rs0") == "mongodb://one,two/db"
    assert passwords("redis://:p%40ss@here/0") == {"p%40ss", "p@ss"}
    assert passwords("redis://here/0?password=hidden") == {"hidden"}
    assert passwords("redis://token@here/0") == {"token"}
    assert passwords("redis://here/0") == set()
