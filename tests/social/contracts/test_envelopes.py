"""Envelopes stay small: ten of the largest are one request to SQS."""

from typing import Any

from social.accounts.erasure import CHUNK
from social.contracts.codec import encode
from social.contracts.entities import MOST_PEOPLE
from social.contracts.envelope import Envelope
from social.contracts.events import EVENTS, Event, PostLiked
from social.infra import clock
from social.infra.broker.sqs_client import MOST_IN_BATCH
from social.infra.broker.sqs_sender import MOST_BYTES

ESCAPED = len("\\ud83d\\ude42")  # the longest that a character becomes
LONGEST_TEXT = 254 * ESCAPED  # an address; the name of a device is shorter
LISTS = {  # how many ids a list can have
    "CommentAdded.mentions": MOST_PEOPLE,
    "CommentEdited.mentions": MOST_PEOPLE,
    "NotificationsChanged.ids": CHUNK,
    "NotificationsRead.ids": 50,
    "PostEdited.mentions": MOST_PEOPLE,
    "PostPublished.mentions": MOST_PEOPLE,
}
ID = "f" * 24


def fields(kind: type[Event]) -> dict[str, tuple[str, Any]]:
    """Return the type of each field of an event, in words, and what pydantic knows of it."""
    return {name: (str(each.annotation), each) for name, each in kind.model_fields.items()}


def at_most(kind: type[Event]) -> int:
    """Return how many bytes an event can have at most, with its envelope."""
    size = 0
    for name, (written, field) in fields(kind).items():
        is_text = "str" in written and "pattern=" not in f"{written}{field.metadata}"
        ids = LISTS.get(f"{kind.__name__}.{name}", 1)
        size += len(f'"{name}":,') + (LONGEST_TEXT if is_text else 64) + ids * len(f'"{ID}",')
    return size + LONGEST_TEXT + envelope_alone()  # the key may hold an address too


def envelope_alone() -> int:
    """Return the bytes of an envelope without its event, with the longest name and trace."""
    trace = "0" * 200
    name = max(EVENTS, key=len)
    return len(encode(Envelope(id=ID, type=name, v=1, key="user:" + ID, at=clock.now(), trace=trace, data={})))


def test_each_list_in_an_event_has_a_bound() -> None:
    lists = {f"{kind}.{name}" for kind in EVENTS for name, (is_, _) in fields(EVENTS[kind]).items() if "list[" in is_}
    assert lists == LISTS.keys()


def test_ten_of_the_largest_events_fit_into_a_request() -> None:
    sizes = {name: at_most(kind) for name, kind in EVENTS.items()}
    assert max(sizes.values()) * MOST_IN_BATCH < MOST_BYTES, sizes
    event = PostLiked(post_id=ID, author_id=ID, by=ID)
    sent = Envelope(id=ID, type="PostLiked", v=1, key=event.key, at=clock.now(), data=event.model_dump())
    assert len(encode(sent)) < sizes["PostLiked"]
