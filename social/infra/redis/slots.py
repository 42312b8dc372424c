"""Hash slots of a Redis Cluster: which node owns a key or a channel."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.crc import key_slot

SLOTS = 16_384


class Address(NamedTuple):
    """The host and port of a node of a cluster."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def slot_of(name: str | bytes) -> int:
    """Return the slot of a key or a sharded channel: that of the part in braces, where it has one."""
    return key_slot(name.encode() if isinstance(name, str) else name)


def owners(answer: Sequence[Any], asked: Address) -> list[Address | None]:
    """Return the master of each slot in an answer to CLUSTER SLOTS; `asked` gave it, and may not know its own host."""
    found: list[Address | None] = [None] * SLOTS
    for first, last, (host, port, *_), *_ in answer:
        name = host.decode() if isinstance(host, bytes) else host or ""
        node = Address(asked.host if name in ("", "?") else name, int(port))
        found[int(first) : int(last) + 1] = [node] * (int(last) - int(first) + 1)
    return found
