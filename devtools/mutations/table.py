"""The table of docs/reliability.md: each safety line, the promise that rests on it, and the tests that notice."""

import re

from devtools.mutations import MUTATIONS, Mutation
from devtools.mutations.mutation import ROOT

PAGE = ROOT / "docs" / "reliability.md"
PLACE = re.compile(r"(?<=<!-- generated: make docs -->\n).*?(?=<!-- until here -->)", re.S)


def table() -> str:
    """Return the list as a Markdown table."""
    head = ["| without this line | this would not hold | noticed by |", "|---|---|---|"]
    return "\n".join([*head, *map(_row, MUTATIONS), ""])


def _row(mutation: Mutation) -> str:
    files = dict.fromkeys(test.partition("::")[0] for test in mutation.noticed_by)
    return f"| `{mutation.name}` | {mutation.breaks} | {'<br>'.join(f'`{each}`' for each in files)} |"


def page() -> str:
    """Return docs/reliability.md with the table as the list is now."""
    text, times = PLACE.subn(lambda _: table(), PAGE.read_text())
    assert times == 1, "docs/reliability.md has a place for the table"
    return text
