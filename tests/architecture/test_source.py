"""Source files can be read by anybody: plain docstrings, no banners, short files, and no import circles."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "realtime", "workers", "social", "embedded", "devtools", "loadtests", "clients")
GENERATED = ("clients/python/plaza_client/models.py",)

NOT_A_SUBJECT = re.compile(
    r"(The same|What|Whatever|Whoever|Who|Whom|Whose|One|It|Its|This|That|These|Those|They|Their|Somebody|Someone|"
    r"Everybody|Everyone|Where|When|How|He|His|She|Her|We|Our|You|Your)\b"
)

BANNER = re.compile(r"\s*#\s*[-=#*─━═]{2,}")

MOST_LINES = 300


@cache
def sources(folders: tuple[str, ...] = PACKAGES) -> Mapping[str, str]:
    """Return the text of every source file by its path."""
    paths = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths if "node_modules" not in path.parts}


@cache
def trees() -> Mapping[str, ast.Module]:
    return {path: ast.parse(text) for path, text in sources().items()}


def plain() -> Iterator[tuple[str, ast.Module]]:
    """Yield the files, tests included, whose docstrings are to be plain."""
    for path, text in sources((*PACKAGES, "tests")).items():
        yield path, ast.parse(text)


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring."""
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and (text := ast.get_docstring(node)) is not None:
            yield node.body[0].lineno, text


def test_a_docstring_names_its_subject() -> None:
    """A docstring is read alone, in a hover, where a pronoun stands for nothing."""
    found = [
        f"{path}:{line}: {text.splitlines()[0]}"
        for path, tree in plain()
        for line, text in docstrings(tree)
        if NOT_A_SUBJECT.match(text)
    ]
    assert not found, "docstrings that begin without a subject:\n" + "\n".join(found)


def test_a_comment_is_no_banner() -> None:
    """A file that needs headings inside wants to be several files."""
    found = [
        f"{path}:{number}: {line.strip()}"
        for path, text in sources().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if BANNER.match(line)
    ]
    assert not found, "banner comments:\n" + "\n".join(found)


def test_a_file_is_short() -> None:
    lengths = {path: len(text.splitlines()) for path, text in sources().items()}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES and path not in GENERATED} == {}


@cache
def imports() -> Mapping[str, frozenset[str]]:
    """Return for each module the modules of this repository it imports, those for type checkers only included."""
    names = {
        path: path.removeprefix("clients/python/").removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for path in sources()
    }
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees().items():
        name = names[path]
        package = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found[name].update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                found[name].update(
                    full if (full := f"{base}.{alias.name}") in names.values() else base for alias in node.names
                )
    modules = frozenset(names.values())
    return {name: frozenset(found[name] & modules - {name}) for name in modules}


def circles(graph: Mapping[str, frozenset[str]]) -> set[frozenset[str]]:
    """Return each largest set of modules that import each other, directly or through others."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            new = graph[waiting.pop()] - seen
            seen |= new
            waiting += new
        reached[start] = seen
    return {
        frozenset(each for each in seen if start in reached[each]) for start, seen in reached.items() if start in seen
    }


def way_round(graph: Mapping[str, frozenset[str]], circle: frozenset[str]) -> str:
    """Return one way through a circle, in words."""
    try:
        TopologicalSorter({name: graph[name] & circle for name in circle}).prepare()
    except CycleError as error:
        return " → ".join(reversed(error.args[1]))
    raise AssertionError("no circle")


def test_no_modules_import_each_other() -> None:
    """Imports under TYPE_CHECKING count: a reader follows them, too."""
    found = circles(imports())
    assert not found, "import circles:\n" + "\n".join(way_round(imports(), circle) for circle in found)


def test_circles_are_found_however_long() -> None:
    graph = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a"), "d": frozenset("a"), "e": frozenset("e")}
    assert circles(graph) == {frozenset("abc"), frozenset("e")}
    assert sorted(way_round(graph, frozenset("abc")).split(" → ")[:3]) == ["a", "b", "c"]
