"""Fixtures of a module whose tests share one site: they only read, are refused, or leave alone what others look at.

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = one_person("ada"), one_person("bob")
"""

from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from support.databases import Databases
from support.people import Door, Person
from support.servers import DocumentStore
from support.site import Site, system

one_loop = pytest.mark.asyncio(loop_scope="module")


def one_site(**settings: Any) -> Any:
    """Return a fixture that runs a whole Plaza in this process, over a database of its own."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def site(document_store: DocumentStore, databases: Databases) -> AsyncIterator[Site]:
        await document_store.start()  # a test may have left it stopped
        name = await databases.take(document_store.url)
        async with system(document_store.url, name, **settings) as running:
            yield running
        databases.give_back(name)

    return site


def one_door() -> Any:
    """Return a fixture that is the address of the API."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def door(site: Site) -> Door:
        return site.door

    return door


def new_person(name: str) -> Any:
    """Return a fixture that is a person of this name in the first test, and another, numbered, in each later one."""
    numbers: defaultdict[str, count[int]] = defaultdict(lambda: count(1))  # by the URL of the site

    @pytest_asyncio.fixture(loop_scope="module")
    async def person(door: Door) -> Person:
        number = next(numbers[door.url])
        return await door.register(name if number == 1 else f"{name}{number}")

    return person


def one_person(name: str) -> Any:
    """Return a fixture that is a person of this name, for all tests."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def person(door: Door) -> Person:
        return await door.register(name)

    return person
