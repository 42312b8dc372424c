"""Conditional requests (RFC 9110): entity tags, what is not sent again (304), what may not be edited blindly (412)."""

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiohttp import web

from social.infra.store.revisions import WHATEVER, Expected

PACKED = "-gzip"  # ends the tag of a body that travels compressed: other bytes, so by the letter another strong tag

_NEXT = re.compile(r'[ \t,]*(?:(?P<weak>W/)?"(?P<opaque>[^\x00-\x20"\x7f]*)"[ \t]*(?:,|$)|$)')


class Tag(NamedTuple):
    """An entity tag that a client sent."""

    opaque: str
    weak: bool


def entity_tag(body: bytes, answer: Any = None) -> str:
    """The strong tag of an encoded answer: a hash of every byte of it, since no version covers all that it shows.

    An answer with an `id` and a `rev` can be edited, and its tag begins with both: If-Match looks at these alone, or
    nobody could edit a post that is being liked.
    """
    digest = base64.urlsafe_b64encode(hashlib.blake2b(body, digest_size=12).digest()).decode()
    rev = getattr(answer, "rev", None)
    return f'"{digest}"' if rev is None else f'"{answer.id}.{rev}.{digest}"'


def not_modified(raw: web.Request, tag: str) -> bool:
    """Whether the client has just this already; what cannot be read as a list of tags is as if it were not there."""
    values = raw.headers.getall("If-None-Match", ())
    if not values:
        return False
    if _any(values):
        return True
    opaque = tag.strip('"')
    return any(each.opaque.removesuffix(PACKED) == opaque for each in tags(values) or ())


def expected(raw: web.Request) -> Expected:
    """Which revisions If-Match names; without it, or with `*`, whichever there is. Garbage names none."""
    values = raw.headers.getall("If-Match", ())
    if not values or _any(values):
        return WHATEVER
    return Expected(tuple(_revisions(tags(values) or ())))


def tags(values: Iterable[str]) -> list[Tag] | None:
    """The tags of a header, however many lines it has; None when it is no list of tags."""
    text, at, found = ", ".join(values), 0, []
    while at < len(text):
        match = _NEXT.match(text, at)
        if match is None:
            return None
        if match["opaque"] is not None:
            found.append(Tag(match["opaque"], match["weak"] is not None))
        at = match.end()
    return found


def _any(values: Iterable[str]) -> bool:
    return [each.strip() for each in values] == ["*"]


def _revisions(found: Iterable[Tag]) -> Iterable[tuple[str, int]]:
    """Weak tags never match here, nor do tags of things that have no revisions."""
    for tag in found:
        parts = tag.opaque.split(".")
        if not tag.weak and len(parts) == 3 and re.fullmatch("[0-9]{1,18}", parts[1]):
            yield parts[0], int(parts[1])
