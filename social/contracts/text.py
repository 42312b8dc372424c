"""Text that people show to others: what is invisible, or turns the text around it, is refused."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

MOST_MARKS = 4  # in a row: Vietnamese and Hebrew need fewer, and a tower of them hides the lines around it


def _ranges(*bounds: int | tuple[int, int]) -> str:
    """Inside of a character class; plain characters above U+FFFF, for which engines know no common escape."""

    def one(code: int) -> str:
        return f"\\u{code:04x}" if code <= 0xFFFF else chr(code)

    return "".join(one(each) if isinstance(each, int) else f"{one(each[0])}-{one(each[1])}" for each in bounds)


_JOINER, _AS_EMOJI = 0x200D, 0xFE0F  # mean something inside an emoji and are invisible anywhere else
_SIGNS = (0x00A9, 0x00AE, 0x203C, 0x2049, 0x2122, 0x2139, 0x3030, 0x303D, 0x3297, 0x3299)
_EMOJI = _ranges(*_SIGNS, (0x2190, 0x27FF), (0x2900, 0x2BFF), (0x1F000, 0x1FAFF))
_INVISIBLE = (
    *(0x00AD, 0x034F, 0x061C, (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), 0x2800, 0x3164, 0xFFA0),
    *((0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F)),  # zero width, line ends, bidi controls
    *((0xE000, 0xF8FF), (0xFDD0, 0xFDEF), (0xFE00, 0xFE0F), 0xFEFF, (0xFFF0, 0xFFFF)),
    *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0x10FFFF)),
)
_FORBIDDEN = _ranges((0, 0x1F), (0x7F, 0x9F), *_INVISIBLE)
_KEYCAPS = "0-9#*"
_VARIANT = f"{_ranges(_AS_EMOJI)}?"
_SEQUENCE = f"[{_EMOJI}{_KEYCAPS}]{_VARIANT}(?:{_ranges(_JOINER)}[{_EMOJI}]{_VARIANT})*"
_LINE = f"^(?:{_SEQUENCE}|[^{_FORBIDDEN}{_EMOJI}{_KEYCAPS}])+$"  # one way to match: no engine backtracks

_BIDI = _ranges(0x061C, (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069))
_PROSE = f"^[^{_ranges((0, 0x08), (0x0B, 0x1F), (0x7F, 0x9F))}{_BIDI}]*$"


def _readable(text: str) -> str:
    marks = 0
    for each in text:
        marks = marks + 1 if unicodedata.category(each).startswith("M") else 0
        if marks > MOST_MARKS:
            raise ValueError(f"must not stack more than {MOST_MARKS} marks on a letter")
    if not any(unicodedata.category(each)[0] in "LNPS" for each in text):
        raise ValueError("must have a letter, a digit or a sign that can be seen")
    return text


Line = Annotated[  # one line that names something
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=50, pattern=_LINE),
    AfterValidator(_readable),
]
Prose = Annotated[  # several lines; joiners are letters of some languages
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_PROSE)
]
HttpsUrl = Annotated[
    str,
    StringConstraints(
        max_length=500,
        pattern=r"^https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,5})?([/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]*)?$",
    ),
    Field(examples=["https://example.org/ada"]),
]
