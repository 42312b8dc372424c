"""The documents under docs/ say what the code does."""

import pytest

from embedded.documents import DOCS, documents, text


@pytest.mark.parametrize("name", documents())
def test_a_document_under_docs_is_what_the_code_says(name):
    written = (DOCS / name).read_bytes()
    assert written == text(documents()[name]), f"docs/{name} has drifted: run `make docs`"
