"""The control socket of a running cluster: commands and answers are lines of JSON on a socket in its folder."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from devtools.cluster.server import StartFailed
from devtools.cluster.supervisor import Supervisor, last_line
from social.contracts.codec import decode, encode
from social.infra.settings import StartError

NAME = "control"
LONGEST_PATH = 100  # sun_path is 108 bytes on Linux, 104 on macOS


def check(folder: Path) -> None:
    """Raise StartError where the folder's path is too long for a socket."""
    if len(str(folder / NAME)) > LONGEST_PATH:
        raise StartError(f"the path {folder} is too long for a socket in it; choose another PLAZA_VAR")


@asynccontextmanager
async def answering(folder: Path, supervisor: Supervisor) -> AsyncIterator[None]:
    """Serve the control socket, for users who may write to the folder, until the block ends."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for each in _execute(supervisor, decode(await reader.readline())):
                if writer.is_closing():  # uvloop raises RuntimeError for a write to a lost connection
                    break
                writer.write(encode(each) + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError):
            pass  # the client is gone, or does not speak JSON
        finally:
            writer.close()

    path = folder / NAME
    path.unlink(missing_ok=True)  # a cluster that was killed left it; the folder is claimed by this process
    server = await asyncio.start_unix_server(answer, path)
    path.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def _execute(supervisor: Supervisor, command: Any) -> AsyncIterator[dict[str, Any]]:
    match command:
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


async def request(folder: Path, do: str, names: Sequence[str] = ()) -> AsyncIterator[dict[str, Any]]:
    """Send a command to the cluster in `folder` and yield its answers; raises StartError where no cluster runs."""
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
