"""The person that a run keeps account of, whatever their scenario makes them do."""

from typing import Protocol

from loadtests.wire import Wire


class Person(Protocol):
    """A user with a socket."""

    id: str
    username: str
    there: bool  # connected, and caught up with what was missed
    wire: Wire | None
    followers: set[str]  # ids of the followers that have a socket in this run
    liked: set[str]  # ids of posts
