"""Search for posts by words and hashtags: one walk along an index, the newest first."""

import asyncio
import hashlib

from social.contracts.people import People
from social.contracts.posts import Found
from social.infra.process.even_times import even_time
from social.infra.store.mongo import Mongo
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import POST_TERMS
from social.people import search
from social.posts import entities, publishing, terms

MOST_PEOPLE = 5  # beside the first page of posts

FOUND = Listing("search", POST_TERMS, "_id")


async def page(mongo: Mongo, text: str, *, viewer: str, cursor: str | None, limit: int) -> Found:
    """Return posts with all hashtags and words of `text` that the viewer may see, but of authors they mute.

    With the first page come the people whom the words name. Raises ValidationFailed for a cursor that is not of this
    search.
    """
    tags, rest = _apart(text)
    asked_words = sorted(terms.asked(rest), key=len, reverse=True)  # the longest leads the way: few have it
    where = {name: {"$all": asked} for name, asked in (("tags", tags), ("words", asked_words)) if asked}
    asked_for = hashlib.blake2b(repr((tags, asked_words)).encode(), digest_size=16).hexdigest()
    asked = Asked(viewer, cursor, limit, asked_for)
    if not where:
        await FOUND.place(mongo, asked)  # there is nothing, but a cursor of another search is still refused
        return Found(items=[], people=[])
    async with even_time():
        found, people = await asyncio.gather(
            publishing.page(mongo, FOUND, where, asked, muted=False),
            _people(mongo, rest, viewer) if cursor is None else _nobody(),
        )
    return Found(items=found.items, next=found.next, prev=found.prev, people=people.items)


def _apart(text: str) -> tuple[list[str], str]:
    """Return the hashtags of a query, and the rest of it."""
    tags: dict[str, None] = {}
    rest, at = [], 0
    for each in entities.parse(text):
        if each.kind == "hashtag":
            tags[each.key] = None
            rest.append(text[at : each.start])
            at = each.end
    return list(tags), " ".join([*rest, text[at:]])


async def _people(mongo: Mongo, text: str, viewer: str) -> People:
    return await search.found(mongo, text, viewer=viewer, cursor=None, limit=MOST_PEOPLE)


async def _nobody() -> People:
    return People(items=[])
