"""How a cluster that runs is asked and told things: one line of JSON each way on a socket in its folder."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from devtools.cluster.server import StartFailed
from devtools.cluster.supervisor import Supervisor, last_line
from social.contracts.codec import decode, encode
from social.infra.process.settings import StartError

NAME = "control"
LONGEST_PATH = 100  # sun_path is 108 bytes on Linux, 104 on macOS


def check(folder: Path) -> None:
    """Raises StartError where the folder cannot hold a socket."""
    if len(str(folder / NAME)) > LONGEST_PATH:
        raise StartError(f"the path {folder} is too long for a socket in it; choose another PLAZA_VAR")


@asynccontextmanager
async def answering(folder: Path, supervisor: Supervisor) -> AsyncIterator[None]:
    """Answer those who may write to the folder until the block ends."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for each in _obey(supervisor, decode(await reader.readline())):
                if writer.is_closing():  # uvloop raises RuntimeError for what a lost connection is given
                    break
                writer.write(encode(each) + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError):
            pass  # nobody who knows us
        finally:
            writer.close()

    path = folder / NAME
    path.unlink(missing_ok=True)  # of one that was killed: the folder is ours now
    server = await asyncio.start_unix_server(answer, path)
    path.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def _obey(supervisor: Supervisor, asked: Any) -> AsyncIterator[dict[str, Any]]:
    match asked:
        case {"do": "status"}:
            yield {"parts": supervisor.status()}
        case {"do": "roll", "names": list(names)}:
            try:
                async for line in supervisor.roll([str(name) for name in names]):
                    yield {"say": line}
            except StartFailed as error:
                yield {"failed": last_line(error)}
            else:
                yield {"done": True}


async def ask(folder: Path, do: str, names: Sequence[str] = ()) -> AsyncIterator[dict[str, Any]]:
    """What the cluster in that folder answers; raises StartError where none runs."""
    try:
        reader, writer = await asyncio.open_unix_connection(folder / NAME)
    except OSError:
        raise StartError(f"no cluster runs in {folder}; `make cluster` starts one, PLAZA_VAR names another") from None
    try:
        writer.write(encode({"do": do, "names": list(names)}) + b"\n")
        while line := await reader.readline():
            yield decode(line)
    finally:
        writer.close()
