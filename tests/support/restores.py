"""An operator's steps from an archive of the embedded store to a folder that a system may start on."""

import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from embedded.store import noted_url
from support.processes import Ended, Program

KEPT_KEYS = ("refresh.key", "pid.key")  # those of access tokens are made anew: they outlive their sessions


async def back_up(folder: Path, archive: Path) -> str:
    """Archive the documents of the system that runs on a folder; return the command's output."""
    return (await _social(archive.parent, noted_url(folder), "backup", archive)).out


async def restore(archive: Path, old: Path, new: Path, since: datetime) -> str:
    """Unpack an archive into a new folder, and begin anew what cannot go on; return the output of `restored`."""
    unpack = Path(sys.executable).with_name("secantus-restore-archive")
    subprocess.run([unpack, "--archive", archive, "--target-dir", new / "store"], check=True, capture_output=True)
    for key in KEPT_KEYS:
        shutil.copy(old / key, new / key)
    command = (sys.executable, "-m", "social", "restored", since.isoformat())
    program = Program("embedded.store_alone", *command, folder=archive.parent, PLAZA_VAR=new)
    return (await _ended(program)).out


async def _social(folder: Path, mongo_url: str, *words: object) -> Ended:
    return await _ended(Program("social", *map(str, words), folder=folder, MONGO_URL=mongo_url))


async def _ended(program: Program) -> Ended:
    done = await program.start().ended()
    assert (done.code, done.err) == (0, ""), done
    return done
