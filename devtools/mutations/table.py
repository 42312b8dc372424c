"""The table of docs/reliability.md: each safety line, the promise that rests on it, and the test that noticed."""

import re

from devtools.mutations import MUTATIONS, Mutation, measured
from devtools.mutations.mutation import ROOT

PAGE = ROOT / "docs" / "reliability.md"
PLACE = re.compile(r"(?<=<!-- generated: make docs -->\n).*?(?=<!-- until here -->)", re.S)


def table() -> str:
    """Return the list as a Markdown table."""
    head = ["| without this line | this would not hold | killed by | s |", "|---|---|---|---:|"]
    return "\n".join([*head, *map(_row, MUTATIONS), ""])


def _row(mutation: Mutation) -> str:
    return f"| `{mutation.name}` | {mutation.breaks} | {' | '.join(_killed(mutation))} |"


def _killed(mutation: Mutation) -> tuple[str, str]:
    """Return the test that noticed, as a sentence, and how long its run took."""
    found = measured.of(mutation)
    if found is None:
        return "not tried as it is now", ""
    path, _, test = found.test.partition("::")
    name = test.partition("[")[0].removeprefix("test_").replace("_", " ")
    return f"`{path}`: {name}", f"{found.seconds:.0f}"


def page() -> str:
    """Return docs/reliability.md with the table as the list is now."""
    text, times = PLACE.subn(lambda _: table(), PAGE.read_text())
    assert times == 1, "docs/reliability.md has a place for the table"
    return text
