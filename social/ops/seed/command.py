"""`python -m social seed`: made-up people for an empty system, with a bar that shows how far it is."""

import argparse
import ipaddress
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import Field
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from social.contracts.codec import decode
from social.contracts.problems import Unavailable
from social.infra.files.blobs import MediaSettings, blobs
from social.infra.process import starting
from social.infra.settings import MongoUrl, StartError, StoreSettings, load
from social.infra.store.mongo import Mongo
from social.ops.seed import filling
from social.ops.seed.filling import Shown, Wanted

NOTE = "store.json"  # which `make run` writes while its store runs
TIMEOUT_S = 60.0


class SeedSettings(StoreSettings, MediaSettings):
    """Settings of `python -m social seed`; without MONGO_URL it fills the system that `make run` runs."""

    mongo_url: MongoUrl | None = None  # type: ignore[assignment] # where it is missing, the running embedded store
    plaza_var: Path = Field(default=Path("var"), description="folder of the data of `make run`")


async def main(arguments: argparse.Namespace) -> int:
    """Fill an empty system, and print who can log in."""
    settings = load(SeedSettings, "api")
    url = settings.mongo_url or _running(settings.plaza_var)
    media_url = settings.media_url
    if settings.mongo_url is None and "media_url" not in settings.model_fields_set:
        media_url = f"file:{settings.plaza_var / 'media'}"
    if not arguments.yes and not on_this_machine(url):
        raise StartError(
            "MONGO_URL names another machine, whose database may be meant for real people: --yes fills it nevertheless"
        )
    pictures = blobs(media_url)
    try:
        with closing(Mongo(url, settings.mongo_database, timeout_s=TIMEOUT_S)) as mongo, bar() as progress:
            await starting.migrated(mongo, 0, print, last=False)
            wanted = Wanted(arguments.users, arguments.seed, arguments.hours)
            shown = await filling.fill(mongo, pictures, wanted, progress)
    except Unavailable as error:
        raise StartError(f"cannot use {starting.store(error)}; MONGO_URL says where it is") from None
    finally:
        await pictures.close()
    print_people(shown)
    return 0


@contextmanager
def bar() -> Iterator[filling.Progress]:
    """Show bars of the parts of the work."""
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns) as progress:

        def advance(part: str, done: int, total: int) -> None:
            if part not in tasks:
                tasks[part] = progress.add_task(part, total=total)
            progress.update(tasks[part], completed=done, total=total)

        yield advance


def print_people(shown: Shown) -> None:
    """Print who can log in, and the password, which nothing can print again."""
    line = f"Log in as [bold]{_either(shown.usernames)}[/bold], password [bold]{shown.password}[/bold]."
    Console(highlight=False).print(line, soft_wrap=True)


def print_people_of_before(usernames: list[str]) -> None:
    """Print who can log in with the password that an earlier run printed."""
    line = f"Log in as [bold]{_either(usernames)}[/bold], with the password that was printed when they were made."
    Console(highlight=False).print(line, soft_wrap=True)


def _either(usernames: list[str]) -> str:
    return ", ".join(usernames[:-1]) + f" or {usernames[-1]}"


def on_this_machine(url: str) -> bool:
    """Return whether a URL of MongoDB names only servers on this machine."""
    if url.startswith("mongodb+srv:"):
        return False
    try:
        hosts = [host for host, _ in parse_uri(url)["nodelist"]]
    except (PyMongoError, ValueError):
        return False
    return all(map(_loopback, hosts))


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".sock"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _running(folder: Path) -> str:
    """Return the URL of the store of a running `make run`; raises StartError where none runs."""
    try:
        return str(decode((folder / NOTE).read_bytes())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        raise StartError(
            "MONGO_URL is missing, and no `make run` runs here: start it, or `make run SEED=200`"
        ) from None
