"""docs/data-model.md names the collections and indexes there are, with their keys, and no others."""

import re
from pathlib import Path

from pymongo import IndexModel

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
