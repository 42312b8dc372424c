"""Text that people show to others: its length as people count, and its visible characters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import regex
import unicodedata2
from precis_i18n import get_profile
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from social.contracts.base import NoNul

MOST_MARKS = 4  # marks in a row in a name: Vietnamese and Hebrew need fewer, and a tower of them hides nearby lines
STREAM_SAFE = 30  # marks in a row in any text (UAX 15): normalising a longer run takes quadratic time

# Pairs of regional indicators first: `\X` looks back over the whole run for each of them.
_CHARACTER = regex.compile(r"\p{RI}{2}[\p{GCB=Extend}\p{GCB=ZWJ}]*+|\X")
_DIRECTION_MARKS = regex.compile(r"\p{Bidi_Control}+")
_SPACES = regex.compile(r"\p{Zs}+")
# Blanks that Unicode calls symbols and letters: a Braille cell, a note's head, two hieroglyphs.
_BLANKS = r"\u2800\U0001d159\U00013441\U00013442"
_BLANK = regex.compile(rf"[{_BLANKS}]")
_SEEN = regex.compile(rf"[\p{{L}}\p{{N}}\p{{P}}\p{{S}}\p{{Co}}\p{{Cn}}--[\p{{DI}}\p{{NChar}}{_BLANKS}]]", regex.V1)
_TOO_MANY_MARKS = regex.compile(rf"\p{{M}}{{{MOST_MARKS + 1}}}")
_UNSAFE_STREAM = regex.compile(rf"\p{{M}}{{{STREAM_SAFE + 1}}}")

# Sequences that PRECIS refuses by character and Unicode defines (UTS 51, UTS 37, chapter 13.5), and the letters
# that identifiers allow only beside certain others (RFC 5892, A.3 to A.9), which names allow anywhere.
_EMOJI = r"\p{ExtPict}(?:\ufe0e|\ufe0f|\p{EMod})?"
_WHOLE = regex.compile(
    r"\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"  # flags of regions
    rf"|{_EMOJI}(?:\u200d{_EMOJI})*+"
    r"|[0-9#*]\ufe0f\u20e3?"
    r"|\p{Ideographic}[\ufe00-\ufe02\U000e0100-\U000e01ef]"
    r"|[\u1820-\u18aa][\u180b-\u180d\u180f]"  # Mongolian letters
    r"|[\u00b7\u0375\u05f3\u05f4\u30fb\u0660-\u0669\u06f0-\u06f9]"
)
_freeform = get_profile("FreeFormClass", unicodedata=unicodedata2)  # Python versions differ in their tables


def characters(text: str) -> int:
    """Return how many characters people count: grapheme clusters of UAX 29."""
    return len(_CHARACTER.findall(text))


def without_direction_marks(text: str) -> str:
    """Return a text without marks that change its direction; phones put them around copied names."""
    return str(_DIRECTION_MARKS.sub("", text))


def can_be_seen(text: str) -> bool:
    """Return whether any character of a text is visible."""
    return _SEEN.search(text) is not None


def _line(text: str) -> str:
    """Return a name as people read it: NFC, with single plain spaces (RFC 8266, 2.1), and nothing invisible."""
    if _TOO_MANY_MARKS.search(text):
        raise PydanticCustomError("text_marks", "Must not stack more than {most} marks", {"most": MOST_MARKS})
    name = str(_SPACES.sub(" ", unicodedata2.normalize("NFC", text)))
    if blank := _BLANK.search(name):
        raise _not_allowed(blank[0])
    masked = _WHOLE.sub("*", name)
    try:
        _freeform.enforce(masked)
    except UnicodeEncodeError as refused:
        raise _not_allowed(masked[refused.start]) from None
    return name


def _not_allowed(letter: str) -> PydanticCustomError:
    return PydanticCustomError("text_not_allowed", "Must not contain {code}", {"code": f"U+{ord(letter):04X}"})


@dataclass(frozen=True)
class Words:
    """A text of at most `most` characters as people count them, and `most_bytes` of UTF-8, with visible characters.

    The document's `maxLength` is the number of bytes: no allowed text has more code points.
    """

    most: int
    most_bytes: int
    summary: str
    may_be_empty: bool = False
    keeps_marks: bool = False  # direction marks
    clean: Callable[[str], str] = str.strip

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        shape = handler(schema)
        bounds = {"maxLength": self.most_bytes, "x-maxCharacters": self.most, "description": self.described}
        return {**shape, **({} if self.may_be_empty else {"minLength": 1}), **bounds}

    @property
    def described(self) -> str:
        """Return the rules in words."""
        return (
            f"{self.summary}; at most {self.most:,} characters as people count them (UAX 29),"
            f" {self.most_bytes:,} bytes; surrounding spaces{'' if self.keeps_marks else ' and direction marks'}"
            " are removed; refused without a visible character"
        )

    def check(self, text: str) -> str:
        """Return the text as it is stored; raises the error that the client gets. Takes linear time."""
        text = (text if self.keeps_marks else without_direction_marks(text)).strip()
        self._fits(text)
        if not text.isascii() and _UNSAFE_STREAM.search(text):
            raise PydanticCustomError("text_marks", "Must not stack more than {most} marks", {"most": STREAM_SAFE})
        given, text = text, self.clean(text)
        if text is not given:
            self._fits(text)  # normalising may have made it longer
        if not text and not self.may_be_empty:
            raise PydanticKnownError("string_too_short", {"min_length": 1})
        if text and not can_be_seen(text):
            raise PydanticCustomError("text_invisible", "Must have visible characters")
        return text

    def _fits(self, text: str) -> None:
        if len(text) > self.most_bytes or len(text.encode()) > self.most_bytes:
            most = {"most": self.most_bytes}
            raise PydanticCustomError("string_too_long", "String should have at most {most} bytes", most)
        if len(text) > self.most and characters(text) > self.most:
            raise PydanticKnownError("string_too_long", {"max_length": self.most})


NAME = Words(
    50,
    500,
    "a name on one line: characters of a PRECIS nickname (RFC 8264, FreeformClass), emoji, flags and"
    f" variants of ideographs; kept in NFC with single spaces, at most {MOST_MARKS} marks on a letter",
    clean=_line,
)
PROSE = Words(500, 4_000, "lines of text")
POST = Words(2_000, 16_000, "lines of text", keeps_marks=True)
CAPTION = Words(2_000, 16_000, "lines of text", may_be_empty=True, keeps_marks=True)

Line = Annotated[str, NAME]
Prose = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"), PROSE]
PostText = Annotated[str, NoNul, POST]
Caption = Annotated[str, NoNul, CAPTION]  # the text of a post with pictures
HttpsUrl = Annotated[
    str,
    StringConstraints(
        max_length=500,
        pattern=r"^https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,5})?([/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]*)?$",
    ),
    Field(examples=["https://example.org/ada"]),
]
