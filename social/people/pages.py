"""People as a viewer sees them: their pages, and lists of them."""

import asyncio
from collections.abc import Sequence

from social.contracts.people import People, Profile, UserRef
from social.infra.store.mongo import Mongo, Where
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import Row
from social.people import edges, users, visibility


async def profile(mongo: Mongo, username: str, *, viewer: str) -> Profile:
    """Return a person's page, and how they and the viewer stand to each other; raises NotFound."""
    found = await visibility.person(mongo, username, viewer=viewer)
    return Profile.model_construct(**users.public(found.user), relationship=edges.relationship(found.out, found.back))


async def cards(mongo: Mongo, ids: Sequence[str], *, viewer: str | None) -> list[UserRef]:
    """Return people by id, in this order, without those who are gone or whom a block keeps from the viewer."""
    if viewer is None:
        found, hidden = await users.cards(mongo, ids), set[str]()
    else:
        found, hidden = await asyncio.gather(users.cards(mongo, ids), visibility.apart(mongo, viewer, ids))
    return [users.ref(found[each]) for each in ids if each in found and each not in hidden]


async def page(
    mongo: Mongo, listing: Listing[Row], where: Where, field: str, asked: Asked, *, blocked_too: bool = False
) -> People:
    """Return a page of the people in `field` of the rows of a list; `blocked_too` shows people whom a block hides."""
    viewer = None if blocked_too else asked.viewer

    async def show(rows: list[Row]) -> list[UserRef | None]:
        found = {each.id: each for each in await cards(mongo, [row[field] for row in rows], viewer=viewer)}
        return [found.get(row[field]) for row in rows]

    found = await listing.filled(mongo, where, show, asked)
    return People(items=found.items, next=found.next, prev=found.prev)
