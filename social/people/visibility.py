"""May this viewer see that person, and what they do? Every reader and every verb about people asks here.

A block hides each from the other, as if there were no such person; only who blocks still finds the other's page, to
take the block back, and whoever is blocked may block or mute in turn. What somebody with a private account posts is for
those they accepted as followers.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import NamedTuple

from social.contracts.problems import FieldProblem, NotFound, ValidationFailed
from social.infra.store.mongo import Reader, Where
from social.infra.store.rows import USERS, AuthorFields, UserRow
from social.people import edges, users
from social.people.edges import Edge


class Standing(NamedTuple):
    """Somebody, and how a viewer and they stand to each other."""

    user: UserRow
    out: Edge
    back: Edge


async def person(reader: Reader, username: str, *, viewer: str) -> Standing:
    """Somebody's page is for everybody whom they do not block; raises NotFound."""
    found = await _standing(reader, {"username": username, **users.HERE}, viewer)
    if found.out.blocked_at:
        raise NotFound
    return found


async def other(reader: Reader, username: str, *, viewer: str) -> Standing:
    """The same of somebody else; raises NotFound, and ValidationFailed for oneself."""
    return _not_oneself(await person(reader, username, viewer=viewer), viewer)


async def named(reader: Reader, username: str, *, viewer: str) -> Standing:
    """Somebody else who has an account, to be blocked or muted; raises NotFound, and ValidationFailed for oneself.

    Also who blocks the viewer, and who is suspended: were it either alone, the answer would tell which of them it is.
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
    """Somebody whose posts and followers this viewer may see; raises NotFound."""
    found = await person(reader, username, viewer=viewer)
    if not shows(found.user, found.out):
        raise NotFound
    return found.user


async def author_of_posts(reader: Reader, username: str, *, viewer: str) -> tuple[UserRow, bool]:
    """Somebody whose posts this viewer may see, and whether that is also what they write for followers.

    Raises NotFound.
    """
    found = await person(reader, username, viewer=viewer)
    if not shows(found.user, found.out):
        raise NotFound
    return found.user, bool(found.out.follows_at) or found.user["_id"] == viewer


async def hidden_authors(
    reader: Reader, ids: Collection[str], *, viewer: str, muted: bool = True
) -> tuple[list[str], list[str]]:
    """Of these people those none of whose posts this viewer sees, and those whose posts for followers they do not see.

    Where `muted` is false, whoever the viewer mutes is among the first.
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


def shows(user: AuthorFields, edge: Edge) -> bool:
    """Whether a person's posts are for the one at whom the edge to them starts."""
    if user["_id"] == edge.source:
        return True
    return not edge.apart and (bool(edge.follows_at) or not user.get("private"))


async def shown(reader: Reader, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (viewer, person) pairs where there is such a person and the viewer may see what they do."""
    people = await users.cards(reader, {person_id for _, person_id in pairs})
    found = await edges.between(reader, pairs)
    return {pair for pair in found if pair[1] in people and shows(people[pair[1]], found[pair])}


async def followed(reader: Reader, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (viewer, person) pairs where the viewer may see what the person wrote for followers."""
    found = await edges.between(reader, pairs)
    return {pair for pair, edge in found.items() if (edge.follows_at and not edge.apart) or pair[0] == pair[1]}


async def apart(reader: Reader, viewer: str, ids: Iterable[str]) -> set[str]:
    """Those of these people whom a block, in either direction, keeps from this viewer."""
    found = await edges.between(reader, [(viewer, each) for each in set(ids)])
    return {edge.target for edge in found.values() if edge.apart}
