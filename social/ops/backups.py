"""Archives of the embedded store, which it writes itself while it serves."""

import os
from pathlib import Path

from pymongo.errors import OperationFailure

from social.infra import clock
from social.infra.settings import StartError
from social.infra.store.mongo import Mongo, translate_errors

COMMAND = "secantusAdmin.backupArchive"  # of SecantusDB: a checkpoint of all collections at one moment, and a tar of it
UNKNOWN_COMMAND = 59
TIMEOUT_S = 3_600.0  # an archive of tens of gigabytes


async def archive(mongo: Mongo, file: Path) -> int:
    """Have the store write its documents to a file; return its size. Raises StartError, Unavailable.

    The store holds its lock until the file is complete, so that all requests wait for it.
    """
    unfinished = _beside(file)
    try:
        async with translate_errors():
            answer = await mongo.database.client.admin.command({COMMAND: 1, "outputPath": str(unfinished)})
        return _finished(unfinished, file, answer["sizeBytes"])
    except OperationFailure as error:
        if error.code == UNKNOWN_COMMAND:
            raise StartError("this store writes no archives: use mongodump --oplog (docs/runbook.md)") from None
        raise StartError(f"the store cannot write {file}: {error}") from None
    except OSError as error:
        raise StartError(f"cannot keep what the store wrote to {file}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _beside(file: Path) -> Path:
    if file.exists():
        raise StartError(f"{file} is there already")
    unfinished = file.absolute().with_name(f".{file.name}.{clock.new_id()}.unfinished")
    try:
        unfinished.touch(mode=0o600, exist_ok=False)  # it will hold hashes of passwords; the store leaves the mode
    except OSError as error:
        raise StartError(f"cannot write {file}: {error.strerror}") from None
    return unfinished


def _finished(unfinished: Path, file: Path, size: int) -> int:
    """Give a complete archive its name, so that a file of this name is always whole and on the disk; return its size.

    Raises StartError where it has not the size that the store wrote.
    """
    with unfinished.open("rb") as written:
        if os.fstat(written.fileno()).st_size != size:
            raise StartError(f"the store wrote {file} elsewhere: run this on the store's machine")
        os.fsync(written.fileno())
    unfinished.rename(file)
    return size
