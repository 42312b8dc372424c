"""The results of earlier runs on the same code, so that a campaign that was broken off goes on where it was."""

import hashlib
import json
from pathlib import Path
from typing import Any

from devtools.mutations import measured
from devtools.mutations.campaign import Result
from devtools.mutations.mutation import ROOT, Mutation

FILE = ROOT / "var" / "mutations.json"
CODE = (".py", ".mjs", ".ts", ".toml", ".txt", ".json")


class Kept:
    """Results of killed mutations by name and by the state of the code; others are always judged anew."""

    def __init__(self, file: Path = FILE, *, forget: bool = False) -> None:
        self._file = file
        self._killed: dict[str, dict[str, Any]] = {}
        self._code = ""
        if not forget and file.exists():
            self._killed = json.loads(file.read_text())

    def of(self, root: Path) -> None:
        """Look at results that are of the code below this folder from now on."""
        state = hashlib.sha256()
        for path in sorted(root.rglob("*")):
            linked = any(each.is_symlink() for each in (path, *path.parents) if each.is_relative_to(root))
            if path.suffix in CODE and path.name != measured.FILE.name and path.is_file() and not linked:
                state.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
        self._code = state.hexdigest()

    def result(self, mutation: Mutation) -> Result | None:
        """Return the result of an earlier run on this code that killed the mutation."""
        known = self._killed.get(mutation.name)
        if known is None or known["code"] != self._code:
            return None
        return Result(mutation, "killed", known["killed_by"], known["seconds"])

    def keep(self, result: Result) -> None:
        """Remember a mutation that was killed."""
        if result.outcome == "killed":
            found = {"code": self._code, "killed_by": result.details, "seconds": result.took_s}
            self._killed[result.mutation.name] = found
            self._file.parent.mkdir(exist_ok=True)
            self._file.write_text(json.dumps(self._killed, indent=1))
