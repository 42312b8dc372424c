"""The words of a text, alike however they are written: what posts and people are found by.

A change of what this makes of a text needs a higher `RULES`, so that `migrate` (social/ops/refolding.py) writes the
stored words again.
"""

import re
import unicodedata
from collections.abc import Iterable

import regex

RULES = 2
MOST_MARKS = 30  # in a row (UAX 15): to put more of them in order takes the square of their number

# Accents of Latin, Greek and Cyrillic letters, points of Hebrew, Arabic and Syriac ones: most people leave them out.
# Marks of other scripts are vowels, tones and voices: another mark is another word there.
_ACCENT = (
    r"(?<![ИиУу])\u0306|(?<![Іі])\u0308|(?<![ГгКк])\u0301"  # й ў ї ѓ ќ are letters of their own
    r"|[\u0300\u0302-\u0305\u0307\u0309-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    r"\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711\u0730-\u074a"
    r"\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
# Latin letters that Unicode does not take apart, as those write them who have no key for them.
_ALONE = {
    **dict(zip("łđðøıħŧŋɓɖɗƙƴəǝɛɔɨʉ", "lddoihtnbddkyeeeoiu", strict=True)),
    **{"æ": "ae", "œ": "oe", "þ": "th"},
}
_LETTER_ALONE = re.compile(f"[{''.join(_ALONE)}]")
_LETTERS = str.maketrans(_ALONE)

_ACCENTS = regex.compile(_ACCENT)
_UNSEEN = regex.compile(r"[\p{Default_Ignorable_Code_Point}--[\u200b-\u200d]]+", regex.V1)  # but joiners and a space
_TOWER = regex.compile(rf"(\p{{M}}{{{MOST_MARKS}}})\p{{M}}++")
_VOICE = re.compile("[\u309b\u309c]")  # voicing marks on their own
_VOICES = str.maketrans("\u309b\u309c", "\u3099\u309a")

_LETTER = r"[[\p{L}\p{M}\p{N}_]--[\p{Me}]]"
_JOINER = r"(?:[\u200c\u200d\u00b7\u2027\u05f3\u05f4]|(?<=\p{Hebrew})[\"'](?=\p{Hebrew}))"  # of two parts of a word
_WORD = regex.compile(rf"{_LETTER}++(?:{_JOINER}{_LETTER}++)*+", regex.V1)
_JOINED = regex.compile(_JOINER, regex.V1)
_PART = regex.compile(rf"{_LETTER}++", regex.V1)
_ASCII_WORD = re.compile(r"[a-z0-9_]+")


def plain(text: str) -> str:
    """Return a text without case, accents, widths, ligatures and what cannot be seen: alike however it is written."""
    if text.isascii():
        return text.lower()
    seen = _TOWER.sub(r"\1", _UNSEEN.sub("", text))
    if _VOICE.search(seen):
        seen = seen.translate(_VOICES)
    apart = _ACCENTS.sub("", unicodedata.normalize("NFD", unicodedata.normalize("NFKC", seen).casefold()))
    return unicodedata.normalize("NFC", apart.translate(_LETTERS) if _LETTER_ALONE.search(apart) else apart)


def words(text: str, *, parts: bool = False) -> Iterable[str]:
    """Return the words of a text, in order, without the joiners inside of them; with `parts` also what those join."""
    folded = plain(text)
    found: list[str] = []
    if folded.isascii() or not _JOINED.search(folded):
        found += (_ASCII_WORD if folded.isascii() else _PART).findall(folded)
        return found
    for word in _WORD.findall(folded):
        pieces = _PART.findall(word)
        found.append("".join(pieces))
        if parts and len(pieces) > 1:
            found += pieces
    return found
