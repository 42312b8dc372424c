"""The syntax of URLs, mentions and hashtags: one pattern, which looks at each character a bounded number of times.

The rules are those of the open library twitter-text, as far as usernames here are like those there; where they differ
is in docs/decisions/0034-words-and-signs.md.
"""

import unicodedata

import regex

from social.contracts.entities import LONGEST_TAG

# Letters, digits and the marks on them, of any script; no keycap, and nothing that is shown as a picture.
LETTER = r"[[\p{L}\p{M}\p{N}_\u05f3\u309b\u309c]--[\p{Me}\p{ExtPict}\ufe0e\ufe0f]]"
MARK = r"[\p{M}--[\p{Me}\ufe0e\ufe0f]]"
# What stands inside a word and not at its end: joiners, the dot of Catalan, hyphens of Hebrew and Armenian, what
# divides syllables in Tibetan and names in Japanese.
MEDIAL = r"[\u200c\u200d\u00b7\u058a\u05be\u05f4\u0f0b\u0f0c\u2027\u3003\u301c\uff5e\u30a0\u30fb\uff65\ua67e]"
# Letters of scripts that put no spaces between words. Korean puts some: there endings follow a word without one.
UNSPACED = (
    r"[[\p{Ideographic}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Hangul}\p{lb=SA}\p{Javanese}\p{Balinese}\u30fc\uff70]"
    r"--\p{M}]"
)

# What follows `://`, `www.` or a host. An @ right after a letter of a script without spaces ends it: in `…/aを見て@ada`
# somebody is named, and addresses seldom have both.
_TAIL = rf"(?:[!#-;=?A-~\u200c\u200d]++|{LETTER}++|(?<!{UNSPACED})@)"
_HOST = rf"{LETTER}\.(?:{LETTER}|-)+(?::[0-9]+)?"
_PATH = r"(?:/|\?[A-Za-z0-9_]+=)"
_URL = rf"://{_TAIL}++|(?<![A-Za-z0-9_])[Ww]{{3}}\.{_TAIL}++|{_PATH}(?<={_HOST}{_PATH}){_TAIL}*+"

_WORD = rf"(?:{LETTER}++{MEDIAL})*{LETTER}+"
_KEYCAP = r"\ufe0f?\u20e3"  # after the digit that it goes around
_HASHTAG = rf"(?<!{LETTER}|[@＠#＃/&])[#＃](?P<hashtag>(?>{_WORD}(?!{_KEYCAP})))(?![#＃]|://)"

_MAIL = r"[A-Za-z0-9_-]++\.[A-Za-z]{2}"  # behind the @ of an address whose name is in another script
_MENTION = (  # RT@ada is an old habit
    rf"(?:(?<![A-Za-z0-9_!#$%&*/@＠＃]|\p{{Latin}}{MARK}*)|(?<=(?<![A-Za-z0-9_+~.-])[Rr][Tt]))"
    rf"[@＠](?!(?<={LETTER}[@＠]){_MAIL})"
    rf"(?P<mention>[A-Za-z0-9_]{{3,30}}+)(?![A-Za-z0-9_@＠]|\p{{Latin}}|{MARK}|://)"
)

ENTITY = regex.compile(f"{_URL}|{_MENTION}|{_HASHTAG}", regex.V1)
_TAG = regex.compile(_WORD, regex.V1)
_BEGINS = regex.compile(rf"(?!{MARK}){LETTER}", regex.V1)

_UNSEEN = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
_ALIKE = str.maketrans("\uff5e\u309b\u309c", "\u301c\u3099\u309a")  # Windows' wave dash; voicing marks on their own


def tag(text: str) -> str | None:
    """Return a hashtag, without its sign, as it is looked for; None for what is none.

    That is Unicode's NFKC_Casefold: without case and width, and without joiners and variants, which change how a letter
    is drawn.
    """
    if len(text) > LONGEST_TAG or not _TAG.fullmatch(text):
        return None
    if text.isascii():
        return text.lower() if any(map(str.isalpha, text)) else None
    seen = unicodedata.normalize("NFKC", _UNSEEN.sub("", text).translate(_ALIKE))
    key = unicodedata.normalize("NFKC", seen.casefold())
    good = len(key) <= LONGEST_TAG and _TAG.fullmatch(key) and _BEGINS.match(key) and any(map(str.isalpha, key))
    return key if good else None
