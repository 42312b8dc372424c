"""The image as its Dockerfile describes it, without an engine: its stages, and the files it would hold."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]


@dataclass
class Stage:
    """A FROM with the instructions that follow it."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)  # instruction, and the rest of its line

    def all(self, instruction: str) -> list[str]:
        """Return the rest of every such instruction."""
        return [rest for name, rest in self.steps if name == instruction]

    def words(self, instruction: str) -> list[str]:
        """Return the words of the last such instruction, in its exec form; none where there is none."""
        said = self.all(instruction)
        return list(json.loads(said[-1])) if said else []


def stages() -> dict[str, Stage]:
    """Return the stages of the Dockerfile, in order; FROM names are resolved by its ARGs."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    arguments: dict[str, str] = {}
    found: dict[str, Stage] = {}
    stage: Stage | None = None
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            base = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], base)
            stage = found[name] = Stage(name, base)
        elif stage is None:
            name, _, value = rest.partition("=")
            arguments[name] = value
        else:
            stage.steps.append((instruction, rest.strip()))
    return found


def lineage(name: str) -> list[Stage]:
    """Return a stage and the stages it is built on, the last first."""
    every = stages()
    line = [every[name]]
    while line[-1].base in every:
        line.append(every[line[-1].base])
    return line


def environment(name: str) -> dict[str, str]:
    """Return the ENV of a stage and the stages it is built on, without PATH."""
    pairs = [
        word.partition("=")
        for each in reversed(lineage(name))
        for rest in each.all("ENV")
        for word in shlex.split(rest)
    ]
    return {key: value for key, _, value in pairs if key != "PATH"}


def context() -> Iterator[PurePosixPath]:
    """Yield the files of this folder that .dockerignore lets through; as in Docker, the last pattern decides."""
    lines = (line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#"))
    rules = [(not line.startswith("!"), _pattern(line.removeprefix("!").strip("/"))) for line in lines]
    heads = {each.name for each in ROOT.iterdir()} - {".git", ".venv", "node_modules", "var"}  # not walked
    for head in heads:
        for path in [ROOT / head, *(ROOT / head).rglob("*")]:
            if path.is_file():
                inside = PurePosixPath(path.relative_to(ROOT))
                above = [str(each) for each in (inside, *inside.parents)][:-1]
                kept = True
                for ignores, pattern in rules:
                    if any(pattern.fullmatch(each) for each in above):
                        kept = not ignores
                if kept:
                    yield inside


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", text)
    said = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(said.get(part, re.escape(part)) for part in parts))


def build(folder: Path, name: str = "code") -> None:
    """Copy the files that the COPYs of a stage and of those it is built on take from this folder to their places."""
    files = list(context())
    for rest in (rest for each in reversed(lineage(name)) for rest in each.all("COPY")):
        *sources, target = rest.split()
        for source in sources:
            inside = [file for file in files if file == PurePosixPath(source) or PurePosixPath(source) in file.parents]
            assert inside, f"COPY {rest}: nothing of it gets past .dockerignore"
            for file in inside:
                tail = file.relative_to(source)
                to = folder / (source if str(target) == "./" else target) / tail
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / file, to)
