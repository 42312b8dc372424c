"""Which queries find which texts: the differences that distinguish words, and those that do not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from social.people import terms
from social.people.folding import plain
from social.posts import terms as words


def finds(query: str, text: str) -> bool:
    """Return whether a search finds a text: all of the query's words are among the post's."""
    asked = words.asked(query)
    return bool(asked) and set(asked) <= set(words.of(text))


ALIKE = [
    ("Lodz", "Łódź"),
    ("ŁÓDŹ", "Lodz"),
    ("Da Nang", "Đà Nẵng"),
    ("smorrebrod", "smørrebrød"),
    ("isik", "ışık"),
    ("Istanbul", "İSTANBUL"),
    ("thorr", "Þórr"),
    ("aegir", "Ægir"),
    ("oeuvre", "œuvre"),
    ("hausa kasa", "Hausa ƙasa"),
    ("azerbeycan", "Azərbəycan"),
    ("strasse", "STRAẞE"),
    ("ǽ", "ae"),
    ("елка", "ёлка"),
    ("замок", "за\u0301мок"),  # with the stress that dictionaries write
    ("Αθηνα", "Αθήνα"),
    ("ΟΔΟΣ", "οδός"),
    ("احمد", "أحمد"),
    ("محمد", "مُحَمَّد"),
    ("سلام", "ســلام"),
    ("שלום", "שָׁלוֹם"),
    ("パ", "ﾊﾟ"),
    ("パ", "ハ\u309a"),
    ("か゛", "が"),
    ("café", "cafe\u0301"),
    ("ﬁne", "FINE"),
    ("coworker", "co\u00adworker"),  # with a soft hyphen
    ("葛城", "葛\U000e0100城"),
    ("heart", "he\u2060art"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_words_are_alike_whatever_their_case_accents_widths_and_points(one: str, other: str) -> None:
    assert finds(one, other)
    assert finds(other, one)
    assert terms.words(one) == terms.words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("パパ", "ハハ"),  # daddy, mother
        ("ばば", "ぱぱ"),
        ("मोदी", "मादा"),
        ("दिन", "दीन"),
        ("कमल", "क्मल"),
        ("जरा", "ज़रा"),
        ("ไม", "ไม่"),
        ("มา", "ม้า"),  # come, horse
        ("мой", "мои"),  # singular, plural
        ("їх", "іх"),
        ("বই", "বউ"),
        ("ತಾಯಿ", "ತಾಯೆ"),
        ("ﻻ", "ل"),
        ("o", "oe"),
    ],
)
def test_marks_that_make_another_word_distinguish(one: str, other: str) -> None:
    assert not finds(one, other)
    assert not finds(other, one)
    assert not set(terms.words(one)) & set(terms.words(other))


@pytest.mark.parametrize(
    ("text", "queries", "others"),
    [
        ("วันนี้อากาศดีมาก", ["วันนี้", "อากาศ", "ดี", "มาก", "ดีมาก"], ["ฝน", "วันดี"]),
        ("서울에서 집을 샀다", ["서울", "서울에서", "에서", "샀다", "집을"], ["부산", "울서"]),
        ("今日は東京タワーに行きました", ["東京", "タワー", "今日", "行き"], ["京東"]),
        ("我爱北京天安门", ["北京", "天安门"], ["京北"]),
        ("ຂ້ອຍຮັກປະເທດລາວ", ["ລາວ", "ປະເທດ"], ["ລາດ"]),
        ("ខ្ញុំស្រលាញ់ភាសាខ្មែរ", ["ខ្មែរ", "ភាសា"], ["ភាខ្មែ"]),
        ("မြန်မာစာကိုဖတ်သည်", ["မြန်မာ", "စာ"], ["မာမြန်"]),
        ("iPhoneを買った", ["iphone", "買った"], ["phone"]),
        ("བོད་སྐད་ཡིན།", ["བོད", "སྐད"], ["བོ"]),
    ],
)
def test_words_inside_of_a_sentence_without_spaces_are_found(text: str, queries: list[str], others: list[str]) -> None:
    assert [query for query in queries if not finds(query, text)] == []
    assert [query for query in others if finds(query, text)] == []


@pytest.mark.parametrize("query", ["نرم\u200cافزار", "نرمافزار", "نرم افزار", "افزار"])
def test_what_a_joiner_holds_together_is_found_whole_and_in_parts(query: str) -> None:
    assert finds(query, "این نرم\u200cافزار خوب است")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("il·lusió", "IL·LUSIÓ"),
        ("illusio", "il·lusió"),
        ("צה״ל", 'צה"ל'),
        ("צהל", "צה״ל"),
        ("ක්රිකට්", "ක්\u200dරිකට්"),
        ("eau", "l’eau"),
        ("plaza", "plaza.example"),
    ],
)
def test_signs_inside_of_words_do_not_keep_them_from_being_found(query: str, text: str) -> None:
    assert finds(query, text)


def test_one_letter_alone_is_found_where_it_stands_alone() -> None:
    """A limit: of scripts without spaces pairs of letters are kept, and not each letter."""
    assert finds("猫", "猫。")
    assert finds("집", "집!")
    assert not finds("猫", "私の猫です")
    assert not finds("집", "집을")


def test_no_word_has_a_space_or_is_longer_than_a_row_of_names_takes() -> None:
    for text in ("a" * 100, "\ufdfa", "é" * 100, "ﷺ一二" * 9):
        for word in [*words.of(text), *terms.words(text)]:
            assert 0 < len(word) <= terms.LONGEST_WORD
            assert " " not in word


@given(st.text(max_size=80))
def test_folding_twice_changes_nothing_and_every_text_is_found_by_itself(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    assert set(words.asked(text)) <= set(words.of(text)) or len(words.of(text)) == words.MOST_WORDS
    assert len(words.of(text)) <= words.MOST_WORDS
    assert len(words.asked(text)) <= words.MOST_ASKED


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "é",
        "\u0301",
        "\u0301\u0327",
        "a\u0301\u0316",
        "あ",
        "が\u3099",
        "ดี",
        "a\u200d",
        "\u200c",
        "ß",
        "\u0344",
        'אב"',
        "\ufdfa",
    ],
)
def test_a_text_ten_times_as_long_takes_about_ten_times_as_long(piece: str) -> None:
    def seconds(size: int) -> float:
        text = (piece * size)[:size]
        begun = time.process_time()
        words.of(text)
        words.asked(text)
        return time.process_time() - begun

    short, long = (min(seconds(size) for _ in range(5)) for size in (3_000, 30_000))
    assert long < 40 * short
