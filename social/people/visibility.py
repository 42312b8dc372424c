"""May this viewer see that person, and what they do? Every reader and every verb about people asks here.

A block hides each from the other, as if there were no such person; only the blocker still finds the other's page, to
take the block back, and the blocked person may block or mute in turn. Posts of a private account are for the followers
it accepted.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import NamedTuple

from social.contracts.problems import FieldProblem, NotFound, ValidationFailed
from social.infra.store.mongo import Reader, Where
from social.infra.store.rows import USERS, AuthorFields, UserRow
from social.people import edges, users
from social.people.edges import Edge

# The viewer of pages that are read without a login: nobody stands to them in any way. Private people, whose names and
# comments every person with a login may see, do not exist for them.
ANYBODY = ""


class Standing(NamedTuple):
    """A person, and how a viewer and they stand to each other."""

    user: UserRow
    out: Edge
    back: Edge


async def person(reader: Reader, username: str, *, viewer: str) -> Standing:
    """Return a person by username, unless they block the viewer; raises NotFound."""
    found = await _standing(reader, {"username": username, **users.HERE}, viewer)
    if found.out.blocked_at or not_public(found.user, viewer):
        raise NotFound
    return found


async def other(reader: Reader, username: str, *, viewer: str) -> Standing:
    """Return another person as `person` does; raises NotFound, and ValidationFailed where it is the viewer."""
    return _not_oneself(await person(reader, username, viewer=viewer), viewer)


async def named(reader: Reader, username: str, *, viewer: str) -> Standing:
    """Return another person to be blocked or muted; raises NotFound, and ValidationFailed where it is the viewer.

    Also a person who blocks the viewer or is suspended: with only either, the answer would say which of them it is.
    """
    return _not_oneself(await _standing(reader, {"username": username, "deleted_at": None}, viewer), viewer)


async def _standing(reader: Reader, where: Where, viewer: str) -> Standing:
    user = await reader.one(USERS, where, {"password": 0})
    if user is None:
        raise NotFound
    return Standing(user, *await edges.both(reader, viewer, user["_id"]))


def _not_oneself(found: Standing, viewer: str) -> Standing:
    if found.user["_id"] == viewer:
        problem = FieldProblem(pointer="/username", code="oneself", detail="this is about others than oneself")
        raise ValidationFailed(errors=[problem])
    return found


async def author(reader: Reader, username: str, *, viewer: str) -> UserRow:
    """Return a person whose posts and followers this viewer may see; raises NotFound."""
    found = await person(reader, username, viewer=viewer)
    if not shows(found.user, found.out):
        raise NotFound
    return found.user


async def author_of_posts(reader: Reader, username: str, *, viewer: str) -> tuple[UserRow, bool]:
    """Return a person whose posts this viewer may see, and whether that includes their posts for followers.

    Raises NotFound.
    """
    found = await person(reader, username, viewer=viewer)
    if not shows(found.user, found.out):
        raise NotFound
    return found.user, bool(found.out.follows_at) or found.user["_id"] == viewer


async def hidden_authors(
    reader: Reader, ids: Collection[str], *, viewer: str, muted: bool = True
) -> tuple[list[str], list[str]]:
    """Return whose posts this viewer never sees, and whose posts for followers they do not see, of these people.

    Where `muted` is false, people whom the viewer mutes are among the first.
    """
    cards, found = await asyncio.gather(
        users.cards(reader, ids), edges.between(reader, [(viewer, each) for each in ids])
    )
    silent, strangers = [], []
    for user_id in sorted(ids):
        edge, card = found[viewer, user_id], cards.get(user_id)
        if card is None or not shows(card, edge) or (edge.mutes_at and not muted):
            silent.append(user_id)
        elif not edge.follows_at and user_id != viewer:
            strangers.append(user_id)
    return silent, strangers


def not_public(user: AuthorFields, viewer: str) -> bool:
    """Return whether a person is hidden from a viewer without a login."""
    return viewer == ANYBODY and bool(user.get("private"))


def shows(user: AuthorFields, edge: Edge) -> bool:
    """Return whether a person's posts are for the viewer at whom the edge to them starts."""
    if user["_id"] == edge.source:
        return True
    return not edge.apart and (bool(edge.follows_at) or not user.get("private"))


async def shown(reader: Reader, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return which of these (viewer, person) pairs name a person whose acts the viewer may see."""
    people = await users.cards(reader, {person_id for _, person_id in pairs})
    found = await edges.between(reader, pairs)
    return {pair for pair in found if pair[1] in people and shows(people[pair[1]], found[pair])}


async def followed(reader: Reader, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return in which of these (viewer, person) pairs the viewer may see the person's posts for followers."""
    found = await edges.between(reader, pairs)
    return {pair for pair, edge in found.items() if (edge.follows_at and not edge.apart) or pair[0] == pair[1]}


async def apart(reader: Reader, viewer: str, ids: Iterable[str]) -> set[str]:
    """Return which of these people a block, in either direction, keeps from this viewer."""
    found = await edges.between(reader, [(viewer, each) for each in set(ids)])
    return {edge.target for edge in found.values() if edge.apart}
