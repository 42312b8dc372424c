"""The tests that killed the mutations in the campaign whose table docs/reliability.md shows."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from devtools.mutations.campaign import Result
from devtools.mutations.mutation import Mutation

FILE = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class Killed:
    """A mutation, as a fingerprint, that a campaign killed: by which test, and within how many seconds."""

    mutation: str
    test: str
    seconds: float


def known(file: Path = FILE) -> dict[str, Killed]:
    """Return what is recorded, by the name of the mutation."""
    return {name: Killed(**each) for name, each in json.loads(file.read_text()).items()} if file.exists() else {}


def of(mutation: Mutation) -> Killed | None:
    """Return what is recorded of a mutation as it is now."""
    found = known().get(mutation.name)
    return found if found and found.mutation == _fingerprint(mutation) else None


def record(results: Iterable[Result], names: Iterable[str], file: Path = FILE) -> None:
    """Record results, and forget every mutation that is not in the list of `names`."""
    found = known(file)
    for each in results:
        found.pop(each.mutation.name, None)
        if each.outcome == "killed":
            test = each.details.partition(", ")[0]
            found[each.mutation.name] = Killed(_fingerprint(each.mutation), test, round(each.took_s, 1))
    rows = {name: vars(found[name]) for name in names if name in found}
    file.write_text(json.dumps(rows, indent=1) + "\n")


def _fingerprint(mutation: Mutation) -> str:
    parts = "\0".join((mutation.file, mutation.text, mutation.replacement))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]
