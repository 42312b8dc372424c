"""`python -m embedded` as a process, in a folder of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.machine import Machine


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """A machine without data."""
    machine = Machine(tmp_path)
    yield machine
    await machine.kill()
