"""Texts and names that people may write: judged as people see them, whatever code points they are made of."""

import contextlib
import time

import pytest
from pydantic import TypeAdapter, ValidationError

from social.contracts.media import Alt
from social.contracts.text import Caption, Line, PostText, Prose, characters

LINE: TypeAdapter[str] = TypeAdapter(Line)
PROSE: TypeAdapter[str] = TypeAdapter(Prose)
POST: TypeAdapter[str] = TypeAdapter(PostText)
CAPTION: TypeAdapter[str] = TypeAdapter(Caption)
ALT: TypeAdapter[str] = TypeAdapter(Alt)

FAMILY = "👨‍👩‍👧‍👦"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


def refusal(kind: TypeAdapter[str], text: str) -> str:
    """Return the code of a text's refusal."""
    with pytest.raises(ValidationError) as wrong:
        kind.validate_python(text)
    (error,) = wrong.value.errors()
    return str(error["type"])


@pytest.mark.parametrize(
    "name",
    [
        "می\u200cخواهم",  # a non-joiner between letters that would join
        "ක්\u200dරිස්ටීන්",  # a joiner behind a virama
        "श्\u200cरी क्\u200dष",
        "渡邉\U000e0100",  # ideographic variants
        "葛\ufe00城",
        "\U00031350\U000323af",  # ideographs of Unicode 15
        ENGLAND,
        "🇩🇪 Ada 🇫🇷",
        FAMILY,
        "👩🏽‍❤️‍💋‍👨🏿",
        "❤︎",
        "🫨",
        "1️⃣ #️⃣",
        "ᠮᠣᠩᠭᠣᠯ\u180b",
        "Ada · Engineer",
        "l·l",
        "ジョン・スミス",
        "Ada & Co. (©)",
        "٣ ۳",
        "Ⓜ️ ㊗️ ™",
    ],
    ids=ascii,
)
def test_a_name_is_taken_as_its_script_writes_it(name: str) -> None:
    assert LINE.validate_python(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "join\u200der",
        "a\u200cb",
        "👩\u200d",
        "👩\u200da",
        "a\ufe0f",
        "a\U000e0100",
        "🏴\U000e0067",
        "👩\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "a\U000e0041b",
        "a\u2800b",
        "a\u3164b",
        "a\u2060b",
        "\U000e0fff",
        "\U0001d159",
        "\ufffe",
        "a\u2028b",
    ],
    ids=ascii,
)
def test_a_name_has_nothing_invisible_where_its_script_has_no_use_for_it(name: str) -> None:
    assert refusal(LINE, name) == "text_not_allowed"


@pytest.mark.parametrize("kind", [LINE, PROSE], ids=["name", "bio"])
def test_direction_marks_are_taken_out_of_what_is_shown_beside_other_text(kind: TypeAdapter[str]) -> None:
    assert kind.validate_python("\u2068Ada\u2069") == "Ada"
    assert kind.validate_python("\u200f \u202egnp.ada\u202c ") == "gnp.ada"
    assert refusal(kind, "\u061c") == "string_too_short"


def test_a_post_keeps_its_directions() -> None:
    assert POST.validate_python("\u2067שלום\u2069!") == "\u2067שלום\u2069!"


def test_a_name_is_spelled_one_way() -> None:
    assert LINE.validate_python("  Zoe\u0308 \u00a0 山田\u3000太郎 ") == "Zoë 山田 太郎"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Ada", 3),
        (FAMILY, 1),
        (ENGLAND, 1),
        ("🇩🇪🇫🇷🇩", 3),
        ("e\u0301", 1),
        ("நி", 1),
        ("\r\n", 1),
        ("葛\U000e0100", 1),
    ],
)
def test_characters_are_counted_as_people_count_them(text: str, count: int) -> None:
    assert characters(text) == count


@pytest.mark.parametrize(
    ("kind", "most", "most_bytes"),
    [(LINE, 50, 500), (PROSE, 500, 4_000), (POST, 2_000, 16_000), (CAPTION, 2_000, 16_000), (ALT, 1_000, 8_000)],
    ids=["name", "bio", "post", "caption", "alt"],
)
def test_as_many_characters_fit_in_every_script_within_a_bound_of_bytes(
    kind: TypeAdapter[str], most: int, most_bytes: int
) -> None:
    for each in ("x", "é", "e\u0301", "நி", "👍🏽", "漢"):
        assert kind.validate_python(each * most)
        assert refusal(kind, each * (most + 1)) == "string_too_long"
    families = most_bytes // len(FAMILY.encode())
    assert kind.validate_python(FAMILY * families) == FAMILY * families
    assert refusal(kind, FAMILY * (families + 1)) == "string_too_long"
    shape = kind.json_schema()
    assert (shape["maxLength"], shape["x-maxCharacters"]) == (most_bytes, most)
    assert f"{most:,} characters" in shape["description"]


@pytest.mark.parametrize("kind", [PROSE, POST, CAPTION, ALT], ids=["bio", "post", "caption", "alt"])
@pytest.mark.parametrize(
    "text",
    [
        "\u200b",
        "\u2800 \u2800",
        "\u3164",
        "\ufeff\u2060",
        "\u200d",
        "\U000e0041",
        "\u034f",
        "\ufe0f",
        "\u00ad",
        "\U00013441",
    ],
    ids=ascii,
)
def test_a_text_of_nothing_that_one_can_see_is_refused(kind: TypeAdapter[str], text: str) -> None:
    assert refusal(kind, text) == "text_invisible"
    assert kind.validate_python(f"{text}!") == f"{text}!"


def test_blanks_are_no_text_but_no_caption_is_needed() -> None:
    for blank in ("", " ", "\u3000\n", "\u00a0"):
        assert refusal(POST, blank) == "string_too_short"
        assert CAPTION.validate_python(blank) == ALT.validate_python(blank) == ""


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "🇩",
        "👩\u200d",
        "\u0323\u0301",
        "e\u0301",
        "क्\u200d",
        "1\ufe0f",
        "🏴\U000e0067",
        "\u2068",
        "·",
        "\u0600",
        "葛\U000e0100",
        " \u00a0",
        "x\n",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("kind", [LINE, PROSE, POST], ids=["name", "bio", "post"])
def test_no_text_takes_longer_than_its_length_explains(kind: TypeAdapter[str], unit: str) -> None:
    """A mebibyte, and as much as the bound of bytes lets through to all other rules."""
    bound = kind.json_schema()["maxLength"]
    for size in (bound, 1024 * 1024):
        text = unit * (size // len(unit.encode()))
        began = time.process_time()
        with contextlib.suppress(ValidationError):
            kind.validate_python(text)
        assert time.process_time() - began < 0.1


def test_counting_takes_time_in_proportion_to_the_length() -> None:
    def took(size: int) -> float:
        began = time.process_time()
        characters("🇩" * size)
        return time.process_time() - began

    assert min(took(20_000) for _ in range(3)) < 20 * max(min(took(2_000) for _ in range(3)), 0.001)
