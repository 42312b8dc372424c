"""The index of names: a row for each word that a person is found by, in the order a search walks along them."""

from social.infra.store.mongo import Transaction
from social.infra.store.rows import NAMES, NameRow, UserRow
from social.people import folding

MOST_WORDS = 8  # of a display name
LONGEST_WORD = 32  # what is longer is found by its beginning


def words(text: str, *, parts: bool = False) -> list[str]:
    """Return the words of a name or of a query; with `parts` also those that joiners hold together."""
    found = (each[:LONGEST_WORD] for each in folding.words(text, parts=parts))
    return list(dict.fromkeys(found))[:MOST_WORDS]


def of(username: str, display_name: str) -> list[str]:
    """Return the words a person is found by."""
    return sorted({username, *words(display_name, parts=True)})


def row_id(word: str, user_id: str) -> str:
    """Return the id of a row; rows sort by word, then by person, since no word holds a space."""
    return f"{word} {user_id}"


def row_ids(user: UserRow) -> list[str]:
    """Return the rows of a person as they are."""
    return [row_id(word, user["_id"]) for word in user.get("words", ())]


def enter(tx: Transaction, user: UserRow) -> None:
    """Insert the rows by which a new person is found: their `words`."""
    tx.insert(NAMES, *(NameRow(_id=each, user_id=user["_id"]) for each in row_ids(user)))


def move(tx: Transaction, old: UserRow, new: UserRow) -> None:
    """Replace the rows by which a person is found."""
    before, after = set(row_ids(old)), set(row_ids(new))
    if gone := sorted(before - after):
        tx.clear(NAMES, {"_id": {"$in": gone}})
    tx.insert(NAMES, *(NameRow(_id=each, user_id=new["_id"]) for each in sorted(after - before)))
