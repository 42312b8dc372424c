"""A mutation: a line on which a promise rests, and how the code reads without it."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


class NotThere(Exception):
    """A mutation whose text is not in its file exactly once: the code has moved on, and the list must follow."""


@dataclass(frozen=True)
class Mutation:
    """A change that takes a safety line away.

    `pipeline` is True where the line is on the way verb → outbox → broker → worker → stream → push, and `quick` where
    the tests need no server.
    """

    name: str
    breaks: str  # the promise that holds no more, as a sentence
    file: str
    text: str  # in the file exactly once
    replacement: str
    noticed_by: tuple[str, ...]  # the ids of tests
    pipeline: bool = False
    quick: bool = False

    def applied_to(self, source: str) -> str:
        """Return a source without the safety line, which is the content of `file`; raises NotThere."""
        times = source.count(self.text)
        if times != 1:
            raise NotThere(f"{self.name}: its text is {times} times in {self.file}, and must be there once")
        return source.replace(self.text, self.replacement)

    def apply(self, root: Path = ROOT) -> None:
        """Take the safety line out of the file below a folder; raises NotThere."""
        path = root / self.file
        path.write_text(self.applied_to(path.read_text()))
