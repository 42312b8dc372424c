"""E-mail addresses: which texts are valid, and the one spelling of each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from social.contracts.addresses import Email, GivenEmail, normal

EMAIL: TypeAdapter[str] = TypeAdapter(Email)
GIVEN: TypeAdapter[str] = TypeAdapter(GivenEmail)
LABELS = [
    "example",
    "bücher",
    "BÜCHER",
    "straße",
    "日本",
    "ελλάς",
    "bu\u0308cher",
    "ｅxample",
    "xn--bcher-kva",
    "a-b",
    "x--y",
    "عربي",
]


@given(st.text("aZ9.+_-!", min_size=1, max_size=8), st.lists(st.sampled_from(LABELS), min_size=1, max_size=3))
def test_an_accepted_address_has_one_spelling_everywhere(local: str, labels: list[str]) -> None:
    typed = f"{local}@{'.'.join(labels)}.org"
    try:
        stored = EMAIL.validate_python(f" {typed} ")
    except ValidationError:
        return
    assert stored.isascii()
    assert normal(typed) == normal(stored) == GIVEN.validate_python(typed) == EMAIL.validate_python(stored) == stored


@given(st.text(max_size=40))
def test_any_text_has_a_spelling_that_stays(text: str) -> None:
    once = normal(text)
    assert normal(once) == once


@pytest.mark.parametrize("domain", ["a" * 60 + "ü" * 60, "ü." * 100, "\u0323\u0301" * 120, "xn--" * 60])
def test_a_domain_that_is_none_stays_as_it_was_typed(domain: str) -> None:
    assert normal(f"ada@{domain}") == f"ada@{domain}"
    with pytest.raises(ValidationError):
        EMAIL.validate_python(f"ada@{domain}")
