"""The entities of a text, found once when it is written: the people it names and its hashtags."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from social.contracts.entities import MOST_PEOPLE, MOST_TAGS, Entity
from social.contracts.problems import NotFound
from social.infra.store.mongo import Reader
from social.infra.store.rows import USERS, CommentRow, EntityValue, PostRow, UserRow
from social.people import edges, users
from social.posts.entity_syntax import ENTITY, tag

_SIGN = re.compile("[@＠#＃]")


class Written(NamedTuple):
    """The writer of a text, and its entities."""

    author: UserRow
    entities: list[Entity]

    @property
    def people(self) -> list[str]:
        """The people whom the text names beside its writer, each once."""
        named = (each.user_id for each in self.entities if each.user_id and each.user_id != self.author["_id"])
        return list(dict.fromkeys(named))

    @property
    def tags(self) -> list[str]:
        """The hashtags of the text, each once."""
        return tags(self.entities)

    @property
    def kept(self) -> list[EntityValue]:
        """The entities as a document keeps them."""
        return kept(self.entities)


def tags(found: Iterable[Entity]) -> list[str]:
    """Return the hashtags among these entities, each once."""
    return list(dict.fromkeys(each.key for each in found if each.kind == "hashtag"))


def kept(found: Iterable[Entity]) -> list[EntityValue]:
    """Return entities as a document keeps them."""
    values: list[EntityValue] = []
    for each in found:
        value: EntityValue = {"kind": each.kind, "start": each.start, "end": each.end, "key": each.key}
        if each.user_id is not None:
            value["user_id"] = each.user_id
        values.append(value)
    return values


async def read(reader: Reader, text: str, *, by: str) -> Written:
    """Return the entities of a text by this writer; raises NotFound where the writer is gone.

    A person who is not there for the writer (unknown, deleted, suspended, apart by a block) is not named by it.
    """
    author = (await users.all_cards(reader, [by])).get(by)
    if author is None or author.get("deleted_at"):
        raise NotFound
    found = parse(text)
    names = {each.key for each in found if each.kind == "mention"}
    ids = await _there(reader, names, by) if names else {}
    return linked(author, found, ids)


def linked(author: UserRow, found: Iterable[Entity], ids: Mapping[str, str]) -> Written:
    """Return the entities of a text by this author; `ids`: of the people who are there for the author, by username."""
    those = (each.model_copy(update={"user_id": ids.get(each.key)}) for each in found)
    return Written(author, [each for each in those if each.kind == "hashtag" or each.user_id])


def parse(text: str) -> list[Entity]:
    """Return the mentions and hashtags of a text, in order, before anybody looked who is there.

    None is inside of a word, an e-mail address or a URL.
    """
    found: list[Entity] = []
    if not _SIGN.search(text):
        return found
    keys: dict[str, set[str]] = {"mention": set(), "hashtag": set()}
    for match in ENTITY.finditer(text):
        if (kind := match.lastgroup) is None:
            continue  # a URL
        word = match[kind]
        key = word.lower() if kind == "mention" else tag(word)
        known, most = keys[kind], MOST_PEOPLE if kind == "mention" else MOST_TAGS
        if key and (key in known or len(known) < most):
            known.add(key)
            start, end = match.span()
            found.append(Entity.model_construct(kind=kind, start=start, end=end, key=key))
    return found


def of(document: PostRow | CommentRow) -> list[Entity]:
    """Return the entities that a document keeps."""
    return [Entity.model_construct(**each) for each in document.get("entities", ())]


def for_many(found: Iterable[Entity]) -> list[Entity]:
    """Return entities for a push to many people: without the ids of people named, who may block some of them."""
    return [each.model_copy(update={"user_id": None}) if each.user_id else each for each in found]


async def _there(reader: Reader, names: Iterable[str], by: str) -> dict[str, str]:
    found = await reader.many(USERS, {"username": {"$in": sorted(names)}, **users.HERE}, fields={"username": 1})
    others: Sequence[tuple[str, str]] = [(by, each["_id"]) for each in found if each["_id"] != by]
    apart = {edge.target for edge in (await edges.between(reader, others)).values() if edge.apart}
    return {each["username"]: each["_id"] for each in found if each["_id"] not in apart}
