"""The list of safety lines is held to the code and to the tests, and a few of them are taken out each time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devtools.mutations import MUTATIONS, Mutation, NotThere
from devtools.mutations.__main__ import chosen, main
from devtools.mutations.campaign import Campaign, Copy, Outcome, Result
from devtools.mutations.kept import Kept

ROOT = Path(__file__).parents[2]
BY_NAME = {each.name: each for each in MUTATIONS}
TRIED = ("ack-before-the-transaction", "ack-of-older-messages", "revocations-polled-without-overlap")

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


@pytest.fixture(scope="module")
def copy() -> Iterator[Copy]:
    with Copy.made() as copy:
        yield copy


@pytest.mark.parametrize("name", TRIED)
def test_a_test_goes_red_without_a_safety_line(copy: Copy, name: str) -> None:
    mutation = BY_NAME[name]
    result = Campaign(copy, sound=mutation.noticed_by).attempt(mutation)  # this run has tested it as it is
    assert result.outcome == "killed", result.details
    assert (copy.root / mutation.file).read_bytes() == (ROOT / mutation.file).read_bytes()


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
    assert kept().outcome(mutation) is None
    kept().keep(Result(mutation, "killed"))
    assert kept().outcome(mutation) == "killed"
    (small.root / "product.py").write_text(f"{PRODUCT}\n")
    assert kept().outcome(mutation) is None


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
