"""What the system says to its document store, heard on the wire."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from social.infra.logs import current_trace


class Command(NamedTuple):
    """One round trip."""

    name: str
    document: Mapping[str, Any]

    @property
    def collection(self) -> str:
        """Where it reads or writes."""
        return str(self.document[self.name])

    def filters(self) -> list[Mapping[str, Any]]:
        """What it looks for, once for each part of it; joins by the field they look in."""
        match self.name:
            case "find" | "count":
                return [self.document.get("filter", self.document.get("query", {}))]
            case "update" | "delete":
                return [each["q"] for each in self.document[f"{self.name}s"]]
            case "aggregate":
                first, *_ = self.document["pipeline"]
                return [first.get("$match", {})]
        return []

    def joins(self) -> list[tuple[str, str]]:
        """The collections it joins, and by which of their fields."""
        stages = self.document["pipeline"] if self.name == "aggregate" else ()
        return [(stage["$lookup"]["from"], stage["$lookup"]["foreignField"]) for stage in stages if "$lookup" in stage]


class Commands(CommandListener):
    """All commands, by the request they were sent for."""

    def __init__(self) -> None:
        self.sent: list[tuple[str | None, Command]] = []

    def of(self, request_id: str) -> list[Command]:
        """Those of one request."""
        return [command for trace, command in self.sent if trace == request_id]

    def started(self, event: CommandStartedEvent) -> None:
        """Remember it."""
        self.sent.append((current_trace(), Command(event.command_name, event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Of no interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Of no interest."""


@contextmanager
def heard() -> Iterator[Commands]:
    """The commands of all connections that are opened meanwhile."""
    commands = Commands()
    with patch("social.infra.mongo.AsyncIOMotorClient", partial(AsyncIOMotorClient, event_listeners=[commands])):
        yield commands
