"""Mentions and hashtags begin and end where readers see it, in scripts with and without spaces; a table of cases."""

import time

import pytest

from social.posts.entities import parse
from social.posts.entity_syntax import tag

VS, KEYCAP, ZWNJ, ZWJ = "\ufe0f", "\ufe0f\u20e3", "\u200c", "\u200d"


def found(text: str) -> list[str]:
    return [text[each.start : each.end] for each in parse(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@usernameさん、こんにちは", ["@username"]),
        ("ありがとう@adaさん", ["@ada"]),
        ("谢谢@ada和@bob。", ["@ada", "@bob"]),
        ("@ada가 @bob에게", ["@ada", "@bob"]),
        ("สวัสดี@adaค่ะ", ["@ada"]),
        ("привет@ada! @bobу", ["@ada", "@bob"]),
        ("مرحبا@ada،", ["@ada"]),
        ("है@ada", ["@ada"]),  # behind a vowel sign
        ("か\u3099@ada", ["@ada"]),
        ("é@ada e\u0301@ada ｅ@ada ß@ada", []),  # Latin letters, whatever is on them
        ("@adaé @adae\u0301 @ada\u0301 @adaｘ @adaß", []),
        ("a@ada 1@ada _@ada", []),
        ("f!@ada f#@ada f$@ada f%@ada f&@ada f*@ada @@ada ＠@ada", []),  # swear words
        (".@ada ,@ada (@ada) [@ada] -@ada '@ada' “@ada”", ["@ada"] * 7),
        ("＠ada ＠adaさん", ["＠ada", "＠ada"]),
        ("@ada@ @ada＠ @ada@bob @ada://x", []),
        ("@ada: @ada. @ada's @ada-bob @ada/x @ada#x", ["@ada"] * 6),
        ("RT @ada: hello\n@bob\t@eve", ["@ada", "@bob", "@eve"]),
        ("RT@ada rt@bob art@ada .rt@ada", ["@ada", "@bob"]),
        ("用户@example.com さん@mail-host.co.jp почта@yandex.ru", []),  # e-mail addresses
        ("用户@ada。com さん@ada. そう", ["@ada", "@ada"]),
    ],
)
def test_a_mention_ends_where_latin_letters_digits_and_underscores_do(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"❤{VS}@ada ❤{VS}#tag", ["@ada", "#tag"]),
        (f"1{KEYCAP}@ada 1{KEYCAP}#tag #{KEYCAP}@bob", ["@ada", "#tag", "@bob"]),
        (f"ℹ{VS}@ada ℹ#tag ㊗{VS}#祝", ["@ada", "#tag", "#祝"]),  # letters and numbers that are drawn as emoji
        ("👍🏽@ada 👩\u200d💻#tag 🇯🇵#日本 ©@bob", ["@ada", "#tag", "#日本", "@bob"]),
        (f"@ada{VS} @ada❤{VS}", ["@ada", "@ada"]),
        (f"#{KEYCAP} #\u20e3 *{KEYCAP} #{VS}", []),
        (f"#top1{KEYCAP} #1{KEYCAP}", ["#top"]),
        (f"#love❤{VS} #❤{VS}", ["#love"]),
        ("葛\U000e0100#tag #葛\U000e0100城", ["#葛\U000e0100城"]),  # a variant of a letter is a letter
    ],
)
def test_variation_selectors_keycaps_and_emoji_are_no_letters(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"#نرم{ZWNJ}افزار خوب", [f"#نرم{ZWNJ}افزار"]),
        (f"#ක්{ZWJ}රිකට් #മലയാള{ZWNJ}ം", [f"#ක්{ZWJ}රිකට්", f"#മലയാള{ZWNJ}ം"]),
        ("#il·lusió #co\u0140lega", ["#il·lusió", "#co\u0140lega"]),
        ("#צה״ל #ג׳ירפה #תל־אביב", ["#צה״ל", "#ג׳ירפה", "#תל־אביב"]),
        ("#བོད་ཡིག་", ["#བོད་ཡིག"]),
        (
            "#ジョン・レノン #ｼﾞｮﾝ･ﾚﾉﾝ #北海道〜沖縄 #スーパー～特価",
            ["#ジョン・レノン", "#ｼﾞｮﾝ･ﾚﾉﾝ", "#北海道〜沖縄", "#スーパー～特価"],
        ),
        ("#か゛", ["#か゛"]),
        (f"#a· #b{ZWNJ} #c・ #d〜 #·e #{ZWNJ}f", ["#a", "#b", "#c", "#d"]),  # inside, and nowhere else
        ("・#タグ ·#tag 〜#tag", ["#タグ", "#tag", "#tag"]),
        ("#don't #l’amour #a-b #a.b", ["#don", "#l", "#a", "#a"]),
        ("#हिन्दी #ไม่ดี #မြန်မာ #ខ្មែរ #한국어 #עִבְרִית", ["#हिन्दी", "#ไม่ดี", "#မြန်မာ", "#ខ្មែរ", "#한국어", "#עִבְרִית"]),
        ("日本語#タグ a#b é#c 1#d _#e है#f", []),  # inside of a word
        ("「#タグ」、#タグ。", ["#タグ", "#タグ"]),
        ("#a#b #a＃b ##c #＃d", []),
        ("#http://example.org #tag://x &#tag;", []),
        ("#1 #١٢٣ #_ #1_2 #４", []),
        ("#1a #a1 #2024年", ["#1a", "#a1", "#2024年"]),
    ],
)
def test_a_hashtag_has_letters_of_any_script_and_what_stands_between_them(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/@ada/#tag",
        "https://例え.jp/#タグ",
        "https://例え.テスト/ユーザー?q=@ada&t=#タグ",
        "https://пример.рф/путь@ada/#тег",
        "https://ja.wikipedia.org/wiki/日本#歴史",
        "https://fa.wikipedia.org/wiki/نرم\u200cافزار?a=@ada",
        "https://user@example.org:8080/;@ada?#tag=#a",
        "HTTPS://EXAMPLE.ORG/@ada",
        "ftp://example.org/@ada",
        "ipfs://x/#tag",
        "www.example.org/@ada/#tag",
        "WWW.例え.jp/?x=#タグ",
        "example.org/?q=@ada&t=#tag",
        "example.org:8080/a,@ada",
        "example.org?q=#tag",
        "例え.jp/?q=#タグ",
        "пример.рф/x=@ada",
        "mail.to/ada@example.org",
    ],
)
def test_nothing_inside_of_a_url_is_found(url: str) -> None:
    assert found(url) == []
    assert found(f"#a {url} @bob") == ["#a", "@bob"]
    assert found(f"見て{url}") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("見てhttps://example.org/a、@ada", ["@ada"]),
        ("https://example.org/aを見て@ada", ["@ada"]),
        ("「https://example.org/」#タグ", ["#タグ"]),
        ("https://example.org/❤\ufe0f@ada", ["@ada"]),
        ('<a href="https://example.org/">@ada</a>', ["@ada"]),
        ("https://example.org/\u3000#タグ", ["#タグ"]),
        ("one.two #a 3.14 #b e.g. @ada", ["#a", "#b", "@ada"]),
        ("what? @ada and/or #b", ["@ada", "#b"]),
    ],
)
def test_a_url_ends_where_people_end_it(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"نرم{ZWNJ}افزار", "نرمافزار"),
        (f"ක්{ZWJ}රිකට්", "ක්රිකට්"),
        ("葛\U000e0100城", "葛城"),
        ("ｼﾞｮﾝ･ﾚﾉﾝ", "ジョン・レノン"),
        ("か゛", "が"),
        ("スーパー～特価", "スーパー〜特価"),
        ("co\u0140lega", "COL·LEGA"),
    ],
)
def test_hashtags_are_alike_where_only_the_drawing_differs(one: str, other: str) -> None:
    assert tag(one) == tag(other) is not None


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a.",
            "a.b/",
            "/",
            "?a=",
            "?",
            ":1",
            "a·",
            "#a·",
            "あ@",
            "é\u0301@",
            "@a.a",
            "#1\ufe0f\u20e3",
            "://あ",
            "あ.い",
        ),
        "\u0301@ada",
    ],
)
def test_a_text_ten_times_as_long_takes_about_ten_times_as_long(piece: str) -> None:
    """Generous, for other work shares the machine: looking back over the whole text would take 100 times as long."""

    def seconds(size: int) -> float:
        text = "#" + (piece * size)[:size] + "!"
        begun = time.process_time()
        parse(text)
        return time.process_time() - begun

    short, long = (min(seconds(size) for _ in range(5)) for size in (5_000, 50_000))
    assert long < 40 * short
