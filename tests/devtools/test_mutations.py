"""The list of safety lines is held to the code and to the tests, and a few of them are taken out each time."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from devtools.mutations import MUTATIONS, Mutation, NotThere, measured, table
from devtools.mutations.__main__ import chosen, main
from devtools.mutations.campaign import Campaign, Copy, Outcome, Result
from devtools.mutations.kept import Kept

ROOT = Path(__file__).parents[2]
BY_NAME = {each.name: each for each in MUTATIONS}
TRIED = (  # at once, in a single run: of each file one, so that no line hides that another is gone
    "ack-before-the-transaction",
    "continuation-acked-before-it-is-recorded",
    "gen-of-a-claim-not-compared",
    "older-confirmation-counts",
    "old-list-of-revocations-trusted",
    "relay-goes-on-without-its-lease",
    "retry-acked-before-its-copy",
    "stream-not-read-again",
)

PRODUCT = "def double(number):\n    return 2 * number\n"
TESTS = """
import pytest
import product

@pytest.fixture
def doubled():
    return product.double(1)

def test_by_itself():
    assert product.double(1) == 2

def test_by_a_fixture(doubled):
    pass

def test_of_nothing():
    pass

@pytest.mark.skip
def test_elsewhere():
    pass
"""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_a_safety_line_is_there_once_and_its_tests_exist(mutation: Mutation) -> None:
    source = mutation.applied_to((ROOT / mutation.file).read_text())
    compile(source, mutation.file, "exec")
    assert mutation.breaks.endswith(".")
    for test in mutation.noticed_by:
        path, _, name = test.partition("::")
        assert not name or f"def {name}(" in (ROOT / path).read_text(), f"{mutation.name}: there is no {test}"
        assert (ROOT / path).is_file(), f"{mutation.name}: there is no {path}"


def test_each_mutation_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(each.name for each in MUTATIONS).items() if times > 1] == []


def test_a_line_that_the_code_has_no_more_is_named() -> None:
    with pytest.raises(NotThere, match=r"gone: its text is 0 times in product[.]py"):
        Mutation("gone", "", "product.py", "return number * 2", "", ()).applied_to(PRODUCT)


def test_each_safety_line_that_needs_no_server_is_missed_by_its_tests() -> None:
    with Copy.made() as copy, ExitStack() as without:
        for name in TRIED:
            without.enter_context(copy.mutated(BY_NAME[name]))
        tests = [test for name in TRIED for test in BY_NAME[name].noticed_by]
        run = copy.test(tests)
    red = {each.partition("[")[0] for each in run.failed}
    assert (red, run.errors) == ({*tests}, []), run.output


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A copy of a product of one line, with its tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "product.py").write_text(PRODUCT)
    (root / "test_product.py").write_text(TESTS)
    (root / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    return Copy(root)


WRONG, BROKEN = "return 3 * number", "return 2 *"
ALONE, FIXTURE, NOTHING, SKIPPED = (
    f"test_product.py::test_{of}" for of in ("by_itself", "by_a_fixture", "of_nothing", "elsewhere")
)


@pytest.mark.parametrize(
    ("replacement", "test", "outcome", "says"),
    [
        (WRONG, ALONE, "killed", "test_by_itself"),
        (WRONG, NOTHING, "survived", ""),
        (BROKEN, ALONE, "error", "SyntaxError"),
        ("raise OSError", FIXTURE, "error", "OSError"),
    ],
    ids=["a failure", "nothing red", "no import", "a fixture that fails"],
)
def test_only_a_test_that_ran_and_failed_has_noticed_anything(
    small: Copy, replacement: str, test: str, outcome: str, says: str
) -> None:
    mutation = Mutation("x", "It doubles.", "product.py", "return 2 * number", replacement, (test,))
    result = Campaign(small, sound=[test]).attempt(mutation)
    assert result.outcome == outcome
    assert says in result.details


def test_tests_that_are_skipped_or_red_anyway_say_nothing(small: Copy) -> None:
    mutation = Mutation("x", "It doubles.", "product.py", "return 2 * number", WRONG, (SKIPPED,))
    assert Campaign(small).attempt(mutation).outcome == "not applicable"
    (small.root / "product.py").write_text(f"{PRODUCT}assert 0\n")
    result = Campaign(small).attempt(replace(mutation, noticed_by=(ALONE,)))
    assert (result.outcome, "without the mutation" in result.details) == ("error", True)


def test_what_was_killed_on_this_code_is_not_tried_again(small: Copy, tmp_path: Path) -> None:
    mutation = Mutation("x", "It doubles.", "product.py", "return 2 * number", WRONG, (ALONE,))

    def kept() -> Kept:
        found = Kept(tmp_path / "var" / "mutations.json")
        found.of(small.root)
        return found

    kept().keep(Result(mutation, "survived"))
    assert kept().result(mutation) is None
    kept().keep(killed := Result(mutation, "killed", ALONE, 1.5))
    assert kept().result(mutation) == killed
    (small.root / "product.py").write_text(f"{PRODUCT}\n")
    assert kept().result(mutation) is None


def test_a_record_has_what_killed_each_mutation_of_the_list(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    one, two = (Mutation(name, "It doubles.", "product.py", "2", "3", (ALONE,)) for name in ("one", "two"))
    measured.record([Result(one, "killed", f"{ALONE}, {NOTHING}", 1.234), Result(two, "killed", ALONE)], "ab", file)
    assert measured.known(file) == {}, "the list has neither"
    names = [one.name, two.name]
    measured.record([Result(one, "killed", f"{ALONE}, {NOTHING}", 1.234), Result(two, "killed", ALONE)], names, file)
    assert [(each.test, each.seconds) for each in measured.known(file).values()] == [(ALONE, 1.2), (ALONE, 0.0)]
    measured.record([Result(one, "survived")], names, file)
    assert [*measured.known(file)] == ["two"]


def test_the_table_has_tests_that_exist_and_says_what_was_not_tried() -> None:
    for name, killed in measured.known().items():
        assert killed.test.partition("[")[0] in {*_with_those_of_files(BY_NAME[name])}
    rows = table.table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [*BY_NAME]
    changed = replace(MUTATIONS[0], replacement="")
    assert measured.of(changed) is None


def _with_those_of_files(mutation: Mutation) -> Iterator[str]:
    """Yield the ids of the tests that are to notice a mutation, each by itself where a file is named."""
    for test in mutation.noticed_by:
        path, _, name = test.partition("::")
        found = [name] if name else re.findall(r"^(?:async )?def (test_\w+)", (ROOT / path).read_text(), re.M)
        yield from (f"{path}::{each}" for each in found)


def test_some_are_chosen_by_how_their_names_begin() -> None:
    assert [each.name for each in chosen(["ack-of", "inbox"], quick=False)] == [
        "ack-of-older-messages",
        "inbox-row-not-written",
    ]
    assert all(each.quick for each in chosen([], quick=True))
    assert len(chosen([], quick=False)) == len(MUTATIONS)
    with pytest.raises(SystemExit, match="no mutation begins with inbox; --list names them"):
        chosen(["ack", "inbox"], quick=True)


@pytest.mark.parametrize(("outcome", "code"), [("killed", 0), ("not applicable", 0), ("survived", 1), ("error", 1)])
def test_a_campaign_fails_where_nothing_goes_red(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: Outcome, code: int
) -> None:
    def run(mutations: list[Mutation], _kept: Kept) -> list[Result]:
        return [Result(each, outcome) for each in mutations]

    monkeypatch.setattr("devtools.mutations.__main__.run", run)
    monkeypatch.setattr("sys.argv", ["mutations", "ack-of-older-messages"])
    assert main() == code
    assert f"{outcome}: 1" in capsys.readouterr().out
