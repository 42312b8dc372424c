"""The commands that the system sends to its document store, recorded by the driver."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from social.infra.observe.logs import current_trace
from social.infra.store import pipelined
from social.infra.store.schema import INDEXES

NEGATIONS = {"$ne", "$nin", "$not", "$exists"}


class Command(NamedTuple):
    """A round trip to the store."""

    name: str
    document: Mapping[str, Any]

    @property
    def collection(self) -> str:
        """Return the collection that is read or written."""
        return str(self.document[self.name])

    def filters(self) -> list[Mapping[str, Any]]:
        """Return the filters of the command, one for each part of it; joins by the field they look in."""
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
        """Return whether the command reads documents by their ids."""
        return any(set(each) == {"_id"} for each in self.filters())

    def joins(self) -> list[tuple[str, str]]:
        """Return the collections it joins, and by which of their fields."""
        stages = self.document["pipeline"] if self.name == "aggregate" else ()
        return [(stage["$lookup"]["from"], stage["$lookup"]["foreignField"]) for stage in stages if "$lookup" in stage]


class Commands(CommandListener):
    """All commands, by the request they were sent for."""

    def __init__(self) -> None:
        self.sent: list[tuple[str | None, Command]] = []

    def of(self, request_id: str) -> list[Command]:
        """Return the commands of a request."""
        return [command for trace, command in self.sent if trace == request_id]

    def started(self, event: CommandStartedEvent) -> None:
        """Record a command."""
        self.sent.append((current_trace(), Command(event.command_name, event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Ignore the answer."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Ignore the failure."""


def unindexed(commands: Iterable[Command]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the filters that walk through a whole collection, with the collection."""
    looked = [(each.collection, where) for each in commands for where in each.filters()]
    looked += [(collection, {field: 1}) for each in commands for collection, field in each.joins()]
    return [(collection, where) for collection, where in looked if not indexed(collection, where)]


def indexed(collection: str, where: Mapping[str, Any]) -> bool:
    """Return whether the store can use an index: `_id`, or one whose first field and condition are in the filter."""
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
def recording(commands: Commands | None = None) -> Iterator[Commands]:
    """Record the commands of all connections that are opened in the block."""
    commands = commands or Commands()
    with patch("social.infra.store.store_metrics.LISTENERS", (commands,)):
        yield commands


@contextmanager
def recording_messages() -> Iterator[list[list[str]]]:
    """Record the messages of several commands that are sent in the block, as the commands' names and collections."""
    sent: list[list[str]] = []
    exchange = pipelined.exchange

    def recorded(client: Any, database: str, commands: Sequence[Mapping[str, Any]], *others: Any, **more: Any) -> Any:
        sent.append([f"{name} {each[name]}" for each in commands for name in [next(iter(each))]])
        return exchange(client, database, commands, *others, **more)

    with (
        patch("social.infra.store.pipelined.exchange", recorded),
        patch("social.infra.store.store_transaction.exchange", recorded),
    ):
        yield sent
