"""The results of earlier runs on the same code, so that a campaign that was broken off goes on where it was."""

import hashlib
import json
from pathlib import Path

from devtools.mutations.campaign import Outcome, Result
from devtools.mutations.mutation import ROOT, Mutation

FILE = ROOT / "var" / "mutations.json"
CODE = (".py", ".mjs", ".ts", ".toml", ".txt", ".json")


class Kept:
    """Results of killed mutations by name and by the state of the code; others are always judged anew."""

    def __init__(self, file: Path = FILE, *, forget: bool = False) -> None:
        self._file = file
        self._killed: dict[str, str] = {}
        self._code = ""
        if not forget and file.exists():
            self._killed = json.loads(file.read_text())

    def of(self, root: Path) -> None:
        """Look at results that are of the code below this folder from now on."""
        state = hashlib.sha256()
        for path in sorted(root.rglob("*")):
            linked = any(each.is_symlink() for each in (path, *path.parents) if each.is_relative_to(root))
            if path.suffix in CODE and path.is_file() and not linked:
                state.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
        self._code = state.hexdigest()

    def outcome(self, mutation: Mutation) -> Outcome | None:
        """Return "killed" where an earlier run on this code said so."""
        return "killed" if self._killed.get(mutation.name) == self._code else None

    def keep(self, result: Result) -> None:
        """Remember a mutation that was killed."""
        if result.outcome == "killed":
            self._killed[result.mutation.name] = self._code
            self._file.parent.mkdir(exist_ok=True)
            self._file.write_text(json.dumps(self._killed, indent=1))
