"""The architecture: imports run one way, events have consumers, settings are written down."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import aio_pika
import pytest
from support.eventually import LONG_S

from api.app import ALL
from api.settings import SERVICES
from devtools.generate.documents import DOCS, documents, text
from devtools.generate.python_models import MODELS
from social.contracts.events import EVENTS, Group
from social.infra.broker.topology import Topology
from social.infra.files.mailer import FileMailer
from social.infra.settings import PARTITIONS
from workers.app import consumers
from workers.mail import MailConsumer
from workers.settings import ROLES

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "realtime", "workers", "social", "embedded", "clients")


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def test_imports_run_one_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [sys.executable, program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_nothing_of_the_system_imports_its_tests_or_the_store_it_only_runs() -> None:
    for path in modules():
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].partition(".")[0] not in ("tests", "support", "secantus", "pytest"), path


def test_no_file_is_longer_than_a_person_reads() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    generated = MODELS.relative_to(ROOT)
    assert {path: count for path, count in lines.items() if count > 400 and path != str(generated)} == {}


def test_every_module_says_what_it_is() -> None:
    for path in modules():
        assert path.read_text().startswith('"""'), path


def test_every_group_an_event_names_has_a_consumer_and_every_consumer_an_event() -> None:
    found = consumers(MailConsumer(FileMailer(Path(), "plaza@example.org"), ""))
    assert {consumer.group for consumer in found.values()} == set(Group)
    assert set(found) < set(ROLES)
    assert {group for event in EVENTS.values() for group in event.groups} == set(Group)


def test_every_event_has_a_name_of_its_own() -> None:
    assert all(name == event.__name__ for name, event in EVENTS.items())
    keys = [event.routing_key for event in EVENTS.values()]
    assert len(keys) == len(set(keys))


async def test_every_binding_exists_once_the_topology_is_declared(amqp_url: str) -> None:
    """A message that no queue takes is returned: so each event reaches only the groups it names."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        topology = Topology("plaza")
        for _ in range(2):
            await topology.declare(channel)
        exchange = await channel.get_exchange(topology.events)
        for event, number in product(EVENTS.values(), range(PARTITIONS)):
            message, routing_key = aio_pika.Message(event.__name__.encode()), f"{event.routing_key}.{number}"
            await exchange.publish(message, routing_key, mandatory=True)
        for group, number in product(Group, range(PARTITIONS)):
            queue, got = await channel.get_queue(topology.queue(group, number)), list[str]()
            expected = sorted(name for name, event in EVENTS.items() if group in event.groups)
            async with asyncio.timeout(LONG_S), queue.iterator(no_ack=True) as messages:
                while len(got) < len(expected):
                    got.append((await anext(messages)).body.decode())
            assert sorted(got) == expected
            assert (await queue.declare()).message_count == 0
        with pytest.raises(aio_pika.exceptions.DeliveryError):
            await exchange.publish(aio_pika.Message(b"x"), "nobody.listens", mandatory=True)


def test_every_route_belongs_to_a_service_that_can_be_chosen() -> None:
    assert tuple(service.name for service in ALL) == SERVICES
    for service in ALL:
        assert service.routes
        assert {route.service for route in service.routes} == {service.name}
    routes = [(route.method, route.path) for service in ALL for route in service.routes]
    assert len(routes) == len(set(routes))
    assert all(route.says for service in ALL for route in service.routes)


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
def test_the_documents_say_what_the_code_does(name: str) -> None:
    assert (DOCS / name).read_bytes() == text(documents()[name]), "make docs writes them again"
