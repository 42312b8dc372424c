"""The index of names: one row for each word somebody is found by, in the order a search walks along them."""

import re
import unicodedata

from social.infra.mongo import Document, Transaction

MOST_WORDS = 8  # of a display name
LONGEST_WORD = 32  # what is longer is found by its beginning

_WORD = re.compile(r"\w+")


def words(text: str, most: int = MOST_WORDS) -> list[str]:
    """The first words of a name or of a query, alike however they are written: no case, accents, widths, ligatures."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(each for each in apart if not unicodedata.combining(each))
    found = (each[:LONGEST_WORD] for each in _WORD.findall(unicodedata.normalize("NFKC", plain)))
    return list(dict.fromkeys(found))[:most]


def of(username: str, display_name: str) -> list[str]:
    """What somebody is found by."""
    return sorted({username, *words(display_name)})


def row_id(word: str, user_id: str) -> str:
    """Rows sort by word, then by person; no word holds a space."""
    return f"{word} {user_id}"


def row_ids(user: Document) -> list[str]:
    """The rows of a person as they are."""
    return [row_id(word, user["_id"]) for word in user.get("words", ())]


async def enter(tx: Transaction, user: Document) -> None:
    """From now on this person is found by their `words`."""
    await tx.insert("names", *({"_id": each, "user_id": user["_id"]} for each in row_ids(user)))


async def move(tx: Transaction, old: Document, new: Document) -> None:
    """From now on they are found by other words."""
    before, after = set(row_ids(old)), set(row_ids(new))
    if gone := sorted(before - after):
        await tx.delete("names", {"_id": {"$in": gone}})
    await tx.insert("names", *({"_id": each, "user_id": new["_id"]} for each in sorted(after - before)))
