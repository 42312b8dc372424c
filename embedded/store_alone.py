"""`python -m embedded.store_alone COMMAND…`: run an operator's command on the store of a system that is stopped.

The store serves the folder PLAZA_VAR until the command ends, and the command finds it in MONGO_URL.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from embedded.app import embedded_store
from embedded.folder import claim
from embedded.settings import EmbeddedSettings
from social.infra.settings import StartError, load


async def run(command: Sequence[str]) -> int:
    """Run a command while the store serves, and return its exit code; raises StartError."""
    settings = load(EmbeddedSettings, "embedded")
    if not (settings.plaza_var / "store").is_dir():
        raise StartError(f"{settings.plaza_var} holds no documents: is PLAZA_VAR right?")
    with claim(settings.plaza_var):
        store = embedded_store(settings)
        url = await store.start()
        try:
            running = await asyncio.create_subprocess_exec(*command, env=os.environ | {"MONGO_URL": url})
            return await running.wait()
        except OSError as error:
            raise StartError(f"cannot run {command[0]}: {error.strerror}") from None
        finally:
            store.stop()


def main() -> None:
    """End with the exit code of the command."""
    if not sys.argv[1:]:
        sys.exit("plaza: name a command, as in `python -m embedded.store_alone python -m social backlog`")
    try:
        sys.exit(asyncio.run(run(sys.argv[1:])))
    except StartError as error:
        sys.exit(f"plaza: {error}")


if __name__ == "__main__":
    main()
