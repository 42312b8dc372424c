"""Whether a process would start: it is asked itself, for it alone knows all of its settings."""

import asyncio
import sys
from collections.abc import AsyncIterator

from social.ops.doctor.findings import Finding, ok, problem

IMPORTED_WITHIN_S = 30.0


async def examine(process: str) -> AsyncIterator[Finding]:
    """Run `python -m api --check`, or that of realtime or workers, in this folder and environment."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    command = (sys.executable, "-m", process, "--check")
    child = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=nothing, stderr=pipe)
    try:
        async with asyncio.timeout(IMPORTED_WITHIN_S):
            _, said = await child.communicate()
    except TimeoutError:
        child.kill()
        await child.communicate()
        says = f"`python -m {process} --check` did not end within {IMPORTED_WITHIN_S:g} s"
        yield problem("settings", says, "see whether this machine is overloaded, and whether a disk or a folder hangs")
        return
    if child.returncode == 0:
        yield ok("settings", f"{process} would start with them")
        return
    *_, last = said.decode(errors="replace").splitlines() or [""]
    if last.startswith("plaza: "):
        remedy = f"correct it in the environment or {process}/.env"
        yield problem("settings", f"{process} would not start: {last.removeprefix('plaza: ')}", remedy)
    else:  # what went wrong unforeseen may show a secret
        says = f"{process} would not start: its check ended with exit code {child.returncode}"
        yield problem("settings", says, f"run `python -m {process} --check` and see")
