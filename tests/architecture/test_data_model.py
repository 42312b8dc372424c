"""docs/data-model.md names the collections and indexes there are, with their keys, and no others."""

import re
from pathlib import Path
from typing import get_type_hints

from pymongo import IndexModel
from support.typed_rows import KINDS

from social.infra.store.schema import INDEXES

PAGE = Path(__file__).parents[2] / "docs/data-model.md"
ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", re.M)


def described(index: IndexModel) -> str:
    document = index.document
    keys = ", ".join(f"{field} ↓" if way == -1 else field for field, way in document["key"].items())
    marks = [
        ("unique", "unique"),
        ("sparse", "sparse"),
        ("partialFilterExpression", "partial"),
        ("expireAfterSeconds", "expires"),
    ]
    says = ", ".join(word for name, word in marks if document.get(name, False) is not False)
    return f"`{document['name']}` ({keys}{'; ' + says if says else ''})"


def test_the_page_on_data_names_every_index_with_its_keys() -> None:
    table = PAGE.read_text().partition("## Collections")[2].partition("## ")[0]
    rows = {name: indexes for name, indexes, _ in ROW.findall(table)}
    assert rows == {name: "<br>".join(map(described, indexes)) or "–" for name, indexes in INDEXES.items()}


def test_an_index_is_of_fields_that_the_type_of_its_documents_has() -> None:
    for collection, indexes in INDEXES.items():
        for field in {field for index in indexes for field in index.document["key"]}:
            assert any(has(kind, field) for kind in KINDS[collection]), f"{collection}.{field}"


def has(kind: type, path: str) -> bool:
    name, _, rest = path.partition(".")
    hint = get_type_hints(kind).get(name)
    return hint is not None and (not rest or has(hint, rest))


def test_every_collection_with_a_type_is_made_by_migrate() -> None:
    assert set(INDEXES) == set(KINDS)
