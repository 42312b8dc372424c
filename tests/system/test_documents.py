"""The pages of docs/, word for word: every command in them is run, and what they say of files is looked up."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.documents import Terminal, checkout, shows, tools
from support.ports import free_ports


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    """In a fresh clone, whose system gets free ports."""
    api_port, realtime_port = free_ports(2)

    def here(text: str) -> str:
        return text.replace("8080", str(api_port)).replace("8081", str(realtime_port))

    settings = {"API_PORT": api_port, "REALTIME_PORT": realtime_port}
    terminal = Terminal(checkout(tmp_path / "plaza"), tools(tmp_path / "bin"), here, settings)
    yield terminal
    await terminal.close()


async def test_a_page_that_is_wrong_is_found_out(terminal: Terminal) -> None:
    assert shows("one…three\n  four", "one two three\nfour\n") is None
    assert shows("four\none", "one two three\nfour\n") == "one"
    with pytest.raises(AssertionError, match="failed: false"):
        await terminal.run("false | true\necho and on")


async def test_the_first_hour_goes_as_it_is_written(terminal: Terminal) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    await terminal.follow("docs/first-hour.md")
