"""The words a post is found by: indexed with it, alike however they are written."""

import re
from collections.abc import Iterator

from social import names

MOST_WORDS = 100  # of a post; a search finds it by the first ones
MOST_ASKED = 16  # of a query

_DENSE = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+)")  # Chinese and Japanese put no spaces between words


def of(text: str, most: int = MOST_WORDS) -> list[str]:
    """The first words of a text, each once; of what is written without spaces, its characters two by two."""
    found: dict[str, None] = {}
    for word in _words(text):
        found[word] = None
        if len(found) == most:
            break
    return list(found)


def _words(text: str) -> Iterator[str]:
    for word in names.WORD.findall(names.plain(text)):
        for piece in _DENSE.split(word):
            if _DENSE.match(piece):
                yield from (piece[at : at + 2] for at in range(max(1, len(piece) - 1)))
            elif piece:
                yield piece[: names.LONGEST_WORD]
