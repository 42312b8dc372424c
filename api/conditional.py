"""Conditional requests (RFC 9110): entity tags, unchanged answers (304), and edits of an older revision (412)."""

import hashlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiohttp import web

from social.contracts.codec import base64url
from social.infra.store.revisions import WHATEVER, Expected

PACKED = "-gzip"  # ends the tag of a compressed body: its bytes differ, so by the RFC its strong tag must too

_NEXT = re.compile(r'[ \t,]*(?:(?P<weak>W/)?"(?P<opaque>[^\x00-\x20"\x7f]*)"[ \t]*(?:,|$)|$)')


class Tag(NamedTuple):
    """An entity tag that a client sent."""

    opaque: str
    weak: bool


def entity_tag(body: bytes, answer: Any = None) -> str:
    """Return the strong tag of an encoded answer: a hash of its bytes, because no revision covers all that it shows.

    An answer with an `id` and a `rev` can be edited, and its tag begins with both. If-Match compares only these two,
    so that a post can be edited while it is being liked.
    """
    digest = base64url(hashlib.blake2b(body, digest_size=12).digest())
    rev = getattr(answer, "rev", None)
    return f'"{digest}"' if rev is None else f'"{answer.id}.{rev}.{digest}"'


def not_modified(raw: web.Request, tag: str) -> bool:
    """Return whether the client has exactly this answer; a header that is no list of tags is ignored."""
    values = raw.headers.getall("If-None-Match", ())
    if not values:
        return False
    if _any(values):
        return True
    opaque = tag.strip('"')
    return any(each.opaque.removesuffix(PACKED) == opaque for each in tags(values) or ())


def expected(raw: web.Request) -> Expected:
    """Return the revisions that If-Match names: all without it or with `*`, none where it cannot be read."""
    values = raw.headers.getall("If-Match", ())
    if not values or _any(values):
        return WHATEVER
    return Expected(tuple(_revisions(tags(values) or ())))


def tags(values: Iterable[str]) -> list[Tag] | None:
    """Return the tags of a header's lines; None when they are no list of tags."""
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
    """Yield id and revision of strong tags; weak tags never match, nor do tags of answers without a revision."""
    for tag in found:
        parts = tag.opaque.split(".")
        if not tag.weak and len(parts) == 3 and re.fullmatch("[0-9]{1,18}", parts[1]):
            yield parts[0], int(parts[1])
