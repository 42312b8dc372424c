"""What a text leads to, found once when it is written: the people it names and its hashtags."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from social import edges, users
from social.contracts.entities import LONGEST_TAG, MOST_PEOPLE, MOST_TAGS, Entity
from social.contracts.problems import NotFound
from social.infra.mongo import Document, Reader

_SIGN = re.compile(r"(?:https?://|www\.)[!-~]*|[@＠#＃]", re.IGNORECASE)
_USERNAME = re.compile(r"[A-Za-z0-9_]{3,30}")
_AT, _NOT_BEFORE = "@＠", "@＠#＃/&"


class Written(NamedTuple):
    """Who writes, and what their text leads to."""

    author: Document
    entities: list[Entity]

    @property
    def people(self) -> list[str]:
        """Whom the text names beside its writer, each once."""
        named = (each.user_id for each in self.entities if each.user_id and each.user_id != self.author["_id"])
        return list(dict.fromkeys(named))

    @property
    def tags(self) -> list[str]:
        """Its hashtags, each once."""
        return list(dict.fromkeys(each.key for each in self.entities if each.kind == "hashtag"))

    @property
    def kept(self) -> list[Document]:
        """The entities as a document keeps them."""
        return [each.model_dump(exclude_none=True) for each in self.entities]


async def read(reader: Reader, text: str, *, by: str) -> Written:
    """What a text of this writer leads to; raises NotFound where the writer is gone.

    Whoever is not there for the writer (unknown, deleted, suspended, apart by a block) is not named by it.
    """
    author = (await users.all_cards(reader, [by])).get(by)
    if author is None or author.get("deleted_at"):
        raise NotFound
    found = parse(text)
    names = {each.key for each in found if each.kind == "mention"}
    ids = await _there(reader, names, by) if names else {}
    linked = (each.model_copy(update={"user_id": ids.get(each.key)}) for each in found)
    return Written(author, [each for each in linked if each.kind == "hashtag" or each.user_id])


def parse(text: str) -> list[Entity]:
    """The mentions and hashtags of a text, in order, before anybody looked who is there; one look at each character.

    None is inside of a word, an e-mail address or a URL.
    """
    found: list[Entity] = []
    keys: dict[str, set[str]] = {"mention": set(), "hashtag": set()}
    at = 0
    while sign := _SIGN.search(text, at):
        start, at = sign.span()
        if at - start > 1:
            continue  # a URL
        at = _end(text, at)
        entity = _entity(text, start, at)
        if entity is not None:
            known, most = keys[entity.kind], MOST_PEOPLE if entity.kind == "mention" else MOST_TAGS
            if entity.key in known or len(known) < most:
                known.add(entity.key)
                found.append(entity)
    return found


def tag(text: str) -> str | None:
    """A hashtag, without its sign, as it is looked for (NFKC, case-folded); None for what is none."""
    if len(text) > LONGEST_TAG:
        return None
    key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    good = len(key) <= LONGEST_TAG and all(map(_of_word, key)) and any(map(str.isalpha, key)) and not _mark(key[0])
    return key if good else None


def of(document: Document) -> list[Entity]:
    """The entities that a document keeps."""
    return [Entity.model_construct(**each) for each in document.get("entities", ())]


async def _there(reader: Reader, names: Iterable[str], by: str) -> dict[str, str]:
    found = await reader.many("users", {"username": {"$in": sorted(names)}, **users.HERE}, fields={"username": 1})
    others: Sequence[tuple[str, str]] = [(by, each["_id"]) for each in found if each["_id"] != by]
    apart = {edge.target for edge in (await edges.between(reader, others)).values() if edge.apart}
    return {each["username"]: each["_id"] for each in found if each["_id"] not in apart}


def _entity(text: str, start: int, end: int) -> Entity | None:
    before = text[start - 1] if start else " "
    if _of_word(before) or before in _NOT_BEFORE:
        return None
    word = text[start + 1 : end]
    if text[start] not in _AT:
        key = tag(word)
        return Entity.model_construct(kind="hashtag", start=start, end=end, key=key) if key else None
    if not _USERNAME.fullmatch(word) or text[end : end + 1] in [*_AT]:
        return None
    return Entity.model_construct(kind="mention", start=start, end=end, key=word.lower())


def _end(text: str, at: int) -> int:
    while at < len(text) and _of_word(text[at]):
        at += 1
    return at


def _of_word(character: str) -> bool:
    return character.isalnum() or character == "_" or _mark(character)


def _mark(character: str) -> bool:
    """Vowel signs of many scripts are marks: a word goes on over them."""
    return unicodedata.category(character).startswith("M")
