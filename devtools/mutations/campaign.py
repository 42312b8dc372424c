"""A campaign: each mutation in turn, in a copy of the checkout, against the tests that are expected to notice it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from xml.etree import ElementTree

from devtools.mutations.mutation import ROOT, Mutation, NotThere

LEFT_OUT = frozenset((".git", ".venv", "node_modules", "var"))  # of the checkout's top folder
LINKED = (".venv", "node_modules")
WITHIN_S = 600.0  # for the tests of a mutation
# Tests wait two minutes for what never comes; here that is most of the time, and a run without a mutation says whether
# less is enough on this machine.
IMPATIENT = Mutation(
    "impatient",
    "A test waits for as long as a busy machine takes.",
    "tests/support/eventually.py",
    "LONG_S = 120.0",
    "LONG_S = 20.0",
    (),
)
ENDED = 1  # pytest's exit code where tests ran and some failed

Outcome = Literal["killed", "survived", "not applicable", "error"]


@dataclass(frozen=True)
class Result:
    """The outcome of a mutation, with the tests that failed, or the reason why nothing can be said."""

    mutation: Mutation
    outcome: Outcome
    details: str = ""
    took_s: float = 0.0  # from the begin of the run that noticed to its end, servers included


@dataclass(frozen=True)
class Run:
    """A run of pytest: ids of tests by how they ended. An error is one of a fixture or of the collection."""

    code: int
    passed: Sequence[str]
    failed: Sequence[str]
    errors: Sequence[str]
    output: str


class Copy:
    """A copy of the checkout in a temporary folder, in which files are changed and tests run."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    @contextmanager
    def made(cls, source: Path = ROOT) -> Iterator["Copy"]:
        """Copy the checkout without what is installed or made in it, and delete the copy at the end."""
        with TemporaryDirectory(prefix="plaza-mutations-") as folder:
            root = Path(folder) / "checkout"
            shutil.copytree(source, root, symlinks=True, ignore=_ignored(source))
            for name in LINKED:
                if (source / name).exists():
                    (root / name).symlink_to((source / name).resolve())
            IMPATIENT.apply(root)
            yield cls(root)

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """Take a safety line out of the copy, and put it back afterwards; raises NotThere."""
        path = self.root / mutation.file
        before = path.read_bytes()
        mutation.apply(self.root)
        try:
            yield
        finally:
            path.write_bytes(before)

    def test(self, tests: Iterable[str], *options: str) -> Run:
        """Run tests here; raises TimeoutError where they do not end in time."""
        report = self.root.with_name("report.xml")
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        # In a session of its own: a run that is ended takes its servers along.
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, *options, *tests],
            cwd=self.root,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=WITHIN_S)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError from None
            raise
        return Run(process.returncode, *_read(report), output)


def judge(mutation: Mutation, run: Run) -> Result:
    """Return what a run on a mutation says: only a test that ran and failed has noticed it."""
    if run.failed and run.code == ENDED:
        return Result(mutation, "killed", ", ".join(run.failed))
    if run.errors or run.code not in (0, ENDED):
        last = [line for line in run.output.splitlines() if line.strip()][-8:]
        return Result(mutation, "error", "\n".join(["no test failed by itself:", *last]))
    return Result(mutation, "survived")


class Campaign:
    """Judges mutations in a copy; tests are run once without any mutation first, where they must pass."""

    def __init__(self, copy: Copy, *, sound: Iterable[str] = ()) -> None:
        self._copy = copy
        self._sound = set(sound)  # tests that pass without a mutation

    def attempt(self, mutation: Mutation) -> Result:
        """Return the result of a mutation."""
        try:
            return self._unsound(mutation) or self._tried(mutation)
        except NotThere as error:
            return Result(mutation, "error", str(error))
        except TimeoutError:
            return Result(mutation, "error", f"its tests did not end within {WITHIN_S:.0f} s")

    def _tried(self, mutation: Mutation) -> Result:
        with self._copy.mutated(mutation):
            started = time.monotonic()
            result = judge(mutation, self._copy.test(mutation.noticed_by, "-x"))
            return replace(result, took_s=time.monotonic() - started)

    def _unsound(self, mutation: Mutation) -> Result | None:
        """Return a result where the tests say nothing: they fail without the mutation too, or are skipped."""
        mutation.applied_to((self._copy.root / mutation.file).read_text())
        tests = [test for test in mutation.noticed_by if test not in self._sound]
        if not tests:
            return None
        run = self._copy.test(tests)
        if run.failed or run.errors or run.code != 0:
            red = ", ".join([*run.failed, *run.errors]) or run.output[-2_000:]
            return Result(mutation, "error", f"without the mutation these fail as well: {red}")
        if not run.passed:
            return Result(mutation, "not applicable", "its tests are skipped on this machine")
        self._sound.update(tests)
        return None


def _environment() -> dict[str, str]:
    """Return this process's environment without what another pytest, which may run this, has put into it."""
    foreign = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST")
    # Two mutations within a second would share a compiled file.
    own = {"PYTHONDONTWRITEBYTECODE": "1"}
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | own


def _ignored(source: Path) -> Callable[[str, list[str]], set[str]]:
    def ignored(folder: str, names: list[str]) -> set[str]:
        made = {name for name in names if name == "__pycache__" or name.endswith("_cache")}
        return made | (LEFT_OUT & {*names} if Path(folder) == source else set())

    return ignored


def _read(report: Path) -> tuple[list[str], list[str], list[str]]:
    """Return the tests of a report that passed, that failed, and that could not run; skipped ones are none of these."""
    passed: list[str] = []
    failed: list[str] = []
    errors: list[str] = []
    if not report.exists():
        return passed, failed, errors
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - written by our own pytest
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name', '')}"
        if case.find("failure") is not None:
            failed.append(name)
        elif case.find("error") is not None:
            errors.append(name)
        elif case.find("skipped") is None:
            passed.append(name)
    return passed, failed, errors
