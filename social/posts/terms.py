"""The words a post is found by: indexed with it, alike however they are written.

What scripts without spaces write is found by any two letters that follow each other, and so is Korean, whose endings
follow a word without a space: that needs no dictionary, and finds every word of two letters or more.
"""

from collections.abc import Iterable

import regex

from social.infra.store.mongo import Transaction
from social.infra.store.rows import POST_TERMS, PostRow, PostTermsRow
from social.people import folding, terms
from social.posts.entity_syntax import UNSPACED

MOST_WORDS = 100  # of a post; a search finds it by the first ones
MOST_ASKED = 16  # of a query

_UNSPACED = regex.compile(rf"((?:{UNSPACED}\p{{M}}*+)++)", regex.V1)
_LETTER = regex.compile(rf"{UNSPACED}\p{{M}}*+", regex.V1)  # with its marks
_MARK = regex.compile(r"\p{M}")


def keep(tx: Transaction, post: PostRow) -> None:
    """Keep what a post is found by; where it was edited, the transaction relies on the post being as it was read."""
    row = row_of(post)
    if post.get("rev"):
        found_by = {"tags": row["tags"], "words": row["words"]}
        stays = {"author_id": row["author_id"], "visibility": row["visibility"]}
        tx.touch(POST_TERMS, {"_id": row["_id"]}, {"$set": found_by, "$setOnInsert": stays}, upsert=True)
    else:
        tx.insert(POST_TERMS, row)


def row_of(post: PostRow) -> PostTermsRow:
    """Return the document of what a post is found by."""
    return {
        "_id": post["_id"],
        "author_id": post["author_id"],
        "visibility": post.get("visibility", "public"),
        "tags": post["tags"],
        "words": post["words"],
    }


def drop(tx: Transaction, post_ids: Iterable[str]) -> None:
    """Let posts that this transaction deletes be found no more."""
    tx.clear(POST_TERMS, {"_id": {"$in": list(post_ids)}})


def of(text: str) -> list[str]:
    """Return the first words of a post, each once, with the parts of those that joiners hold together."""
    found: dict[str, None] = {}
    for word in folding.words(text, parts=True):
        found.update(dict.fromkeys(_pieces(word, every=True)))
        if len(found) >= MOST_WORDS:
            break
    return list(found)[:MOST_WORDS]


def asked(text: str) -> list[str]:
    """Return the first words of a query, each once: a post that has all of them is found."""
    found = dict.fromkeys(piece for word in folding.words(text) for piece in _pieces(word, every=False))
    return list(found)[:MOST_ASKED]


def _pieces(word: str, *, every: bool) -> list[str]:
    """Return a word, or without spaces two letters of it at a time; with `every` also each letter that has marks."""
    if word.isascii():
        return [word[: terms.LONGEST_WORD]]
    found: list[str] = []
    for at, piece in enumerate(_UNSPACED.split(word)):
        if at % 2 == 0:
            found += [piece[: terms.LONGEST_WORD]] if piece else []
            continue
        letters = _LETTER.findall(piece) if _MARK.search(piece) else piece
        if len(letters) == 1:
            found.append(piece)
            continue
        found += [letters[n] + letters[n + 1] for n in range(len(letters) - 1)]
        if every and letters is not piece:  # a letter with its vowel or tone can be a word: Thai ดี in ดีมาก
            found += [each for each in letters if len(each) > 1]
    return found
