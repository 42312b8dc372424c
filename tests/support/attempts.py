"""`python -m support.attempts MODULE [[[word, …], {NAME: value}], …]`: start a module repeatedly; print each end."""

import json
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.processes import ROOT, Program


async def attempted(
    module: str, attempts: Sequence[tuple[list[str], dict[str, str]]], folder: Path, **settings: Any
) -> list[str]:
    """Return how each attempt to start a module ends; all run in one process, because imports are most of a start."""
    program = Program(
        "support.attempts", module, json.dumps(attempts), folder=folder, PYTHONPATH=ROOT / "tests", **settings
    )
    done = await program.start().ended(60)
    assert (done.code, done.err) == (0, ""), done
    return done.out.splitlines()


if __name__ == "__main__":
    name, asked = sys.argv[1:]
    given = dict(os.environ)
    for words, changes in json.loads(asked):
        sys.argv = [name, *words]
        os.environ.clear()
        os.environ.update(given | changes)
        try:
            runpy.run_module(name, run_name="__main__")
        except SystemExit as ended:
            print(ended.code)
