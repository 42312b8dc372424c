"""The values of the chart as values.yaml describes them: a comment above each, and its default."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml

NAME = "values.yaml"
_KEY = re.compile(r"( *)([A-Za-z]\w*):")
_LONGEST = 60  # characters of a default in the table


@dataclass
class Value:
    """A value or a map of values: its path, the comment above it, its default, and the values inside it."""

    path: str
    comment: str
    default: Any = None
    inside: list["Value"] = field(default_factory=list)

    @property
    def is_leaf(self) -> bool:
        """Whether it is described as a whole: nothing inside it has a comment."""
        return not any(each.comment for each in self.walk() if each is not self)

    def walk(self) -> Iterator["Value"]:
        """Yield the value and all inside it."""
        yield self
        for each in self.inside:
            yield from each.walk()


def read(text: str) -> list[Value]:
    """Return the values at the top of a values.yaml, whose maps are written in blocks of two more spaces."""
    top = Value("", "", yaml.safe_load(text))
    open_maps = [top]
    comment: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
            continue
        if found := _KEY.match(line):
            depth = len(found[1]) // 2
            del open_maps[depth + 1 :]
            parent = open_maps[depth]
            path = f"{parent.path}.{found[2]}".lstrip(".")
            value = Value(path, " ".join(comment), parent.default[found[2]])
            parent.inside.append(value)
            open_maps.append(value)
        comment = []
    return top.inside


def tables(text: str) -> str:
    """Return the tables of README.md: one of the values at the top, and one for each map that holds others."""
    top = read(text)
    loose = [each for each in top if each.is_leaf]
    parts = [_table("Everything", "", loose)]
    for each in top:
        if not each.is_leaf:
            rows = [inside for inside in each.walk() if inside.is_leaf and _described_alone(each, inside)]
            parts.append(_table(f"`{each.path}`", each.comment, rows))
    return "\n".join(parts)


def _described_alone(top: Value, value: Value) -> bool:
    """Return whether no map above the value is described as a whole."""
    return not any(each.is_leaf and value.path.startswith(f"{each.path}.") for each in top.walk())


def _table(title: str, comment: str, rows: list[Value]) -> str:
    lines = "".join(f"| `{row.path}` | {_default(row.default)} | {row.comment} |\n" for row in rows)
    said = f"{comment}\n\n" if comment else ""
    return f"### {title}\n\n{said}| value | default | description |\n|---|---|---|\n{lines}"


def _default(value: Any) -> str:
    written = value if isinstance(value, str) and value else orjson.dumps(value).decode()
    return f"`{written}`" if len(written) <= _LONGEST else "see values.yaml"
