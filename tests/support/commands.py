"""What the system says to its document store, heard on the wire."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from social.infra.observe.logs import current_trace
from social.infra.store.schema import INDEXES

NEGATIONS = {"$ne", "$nin", "$not", "$exists"}


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
            case "find":
                return [self.document.get("filter", {})]
            case "update" | "delete":
                return [each["q"] for each in self.document[f"{self.name}s"]]
            case "aggregate":
                first, *_ = self.document["pipeline"]
                return [] if "$sample" in first else [first.get("$match", {})]  # the store draws lots by itself
        return []

    def by_id(self) -> bool:
        """Whether it reads documents by their ids."""
        return any(set(each) == {"_id"} for each in self.filters())

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


def unindexed(commands: Iterable[Command]) -> list[tuple[str, Mapping[str, Any]]]:
    """What was looked for by walking through a collection, and where."""
    looked = [(each.collection, where) for each in commands for where in each.filters()]
    looked += [(collection, {field: 1}) for each in commands for collection, field in each.joins()]
    return [(collection, where) for collection, where in looked if not indexed(collection, where)]


def indexed(collection: str, where: Mapping[str, Any]) -> bool:
    """Whether the store can begin at an index: `_id`, or one whose first field, and whose condition, are asked for."""
    if branches := where.get("$or"):
        others = {name: each for name, each in where.items() if name != "$or"}
        return all(indexed(collection, {**others, **branch}) for branch in branches)
    if _narrow(where, "_id"):
        return True
    for index in INDEXES[collection]:
        first = next(iter(index.document["key"]))
        if _narrow(where, first) and set(index.document.get("partialFilterExpression", {})) <= set(where):
            return True
    return False


def _narrow(where: Mapping[str, Any], field: str) -> bool:
    asked = where.get(field, {})
    return not isinstance(asked, Mapping) or not set(asked) <= NEGATIONS


@contextmanager
def heard(commands: Commands | None = None) -> Iterator[Commands]:
    """The commands of all connections that are opened meanwhile."""
    commands = commands or Commands()
    with patch("social.infra.store.store_metrics.LISTENERS", (commands,)):
        yield commands
