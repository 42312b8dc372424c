"""The entities of a text: mentions, hashtags, their places, and the cost of hostile texts."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from social.contracts.entities import LONGEST_TAG, MOST_PEOPLE, MOST_TAGS
from social.posts.entities import parse
from social.posts.entity_syntax import tag

SIGNS = st.text(st.sampled_from("@#＠＃ab_1.-/ é\u0301\u0939ß:&htps\U0001f600"), max_size=60)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hello @ada and @Bob_1!", ["@ada", "@Bob_1"]),
        ("(@ada) .@bob, \u201c@eve\u201d \U0001f600@zoe", ["@ada", "@bob", "@eve", "@zoe"]),
        ("ada@example.org @ada@example.org x@ada é@ada", []),
        ("https://example.org/@ada/#tag www.example.org/@bob HTTP://x/#y", []),
        ("example.org/@ada and/#or &#x27; @@ada ##x", []),
        ("\u898b\u3066https://example.org/a\u3001@ada", ["@ada"]),
        ("@ab @" + "a" * 31 + " @adá @ada\u0301 @", []),
        ("#one #Two_3 #4four #5 #_ #__6 # #", ["#one", "#Two_3", "#4four"]),
        ("#日本語。#हिन्दी #ünï #ｆｕｌｌ ＃wide ＠ada", ["#日本語", "#हिन्दी", "#ünï", "#ｆｕｌｌ", "＃wide", "＠ada"]),
        ("#" + "a" * 50 + " #" + "a" * 51, ["#" + "a" * 50]),
        ("#1\ufe0f\u20e3 #\u0301a #\ufdfa", []),  # a keycap, a mark alone, a letter that stands for a sentence
    ],
)
def test_what_leads_somewhere_is_found_where_it_is(text: str, found: list[str]) -> None:
    assert [text[each.start : each.end] for each in parse(text)] == found


def test_offsets_count_code_points_not_units_of_an_encoding() -> None:
    (mention,) = parse("\U0001f600\U0001f600 @ada")
    assert (mention.start, mention.end, mention.key, mention.user_id) == (3, 7, "ada", None)


@pytest.mark.parametrize(("written", "key"), [("ADA", "ada"), ("ＡＤＡ", "ada"), ("Straße", "strasse"), ("①a", "1a")])
def test_hashtags_are_alike_whatever_their_case_and_width(written: str, key: str) -> None:
    assert tag(written) == key


@pytest.mark.parametrize("text", ["", "1", "a b", "a-b", "#a", "½a", "\u0301a", "a" * 51, "$ne", "\x00"])
def test_what_cannot_be_written_as_a_hashtag_is_none(text: str) -> None:
    assert tag(text) is None


def test_people_and_hashtags_beyond_the_most_are_text() -> None:
    text = " ".join(f"@user{n}" for n in range(1_000)) + " @user0 " + " ".join(f"#tag{n}" for n in range(1_000))
    found = parse(text)
    assert {each.key for each in found if each.kind == "mention"} == {f"user{n}" for n in range(MOST_PEOPLE)}
    assert {each.key for each in found if each.kind == "hashtag"} == {f"tag{n}" for n in range(MOST_TAGS)}
    assert [each.start for each in found if each.key == "user0"] == [0, text.index(" @user0 ") + 1]


@given(SIGNS)
def test_whatever_is_written_entities_are_in_order_and_apart_and_their_keys_are_their_own(text: str) -> None:
    found = parse(text)
    assert all(one.end <= other.start for one, other in pairwise(found))
    for each in found:
        assert text[each.start] in "@＠#＃"
        if each.kind == "hashtag":
            assert tag(each.key) == each.key
            assert len(each.key) <= LONGEST_TAG


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "@",
        "#",
        "@a",
        "#a",
        "@#",
        "@ada",
        "@ada ",
        "#a\u0301",
        "http://",
        "www.",
        "\u0301",
        "#\ufdfa",
        "@\U0001f600",
    ],
)
def test_a_text_ten_times_as_long_takes_about_ten_times_as_long(piece: str) -> None:
    """A parser that looks back would take a hundred times as long; generous, for other work shares the machine."""

    def seconds(size: int) -> float:
        text = (piece * size)[:size] + "!"
        begun = time.process_time()
        parse(text)
        return time.process_time() - begun

    short, long = (min(seconds(size) for _ in range(5)) for size in (5_000, 50_000))
    assert long < 40 * short
