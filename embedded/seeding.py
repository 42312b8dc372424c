"""`make run SEED=200`: made-up people, where the system that starts has none."""

import asyncio

from embedded.settings import EmbeddedSettings
from social.infra.files.blobs import MediaSettings, blobs
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks
from social.infra.settings import StartError, load
from social.ops import seed
from social.ops.seed import command

FEWEST = 10
LOCAL = ("127.0.0.1", "::1", "localhost")


async def fill_empty(settings: EmbeddedSettings, plaza: Plaza, tasks: Tasks) -> seed.Shown | None:
    """Fill a system without people; return whom to log in as, or None where it was not filled or is stopped."""
    if not settings.seed or await seed.has_people(plaza.mongo):
        return None
    pictures = blobs(media_url(settings))
    with command.bar() as progress:
        filling = asyncio.create_task(seed.fill(plaza.mongo, pictures, seed.Wanted(settings.seed), progress))
        stopped = asyncio.create_task(tasks.stop.wait())
        try:
            await asyncio.wait([filling, stopped], return_when=asyncio.FIRST_COMPLETED)
            return await filling if filling.done() else None
        finally:
            filling.cancel()
            stopped.cancel()
            await asyncio.gather(filling, stopped, return_exceptions=True)
            await pictures.close()


async def print_people(settings: EmbeddedSettings, plaza: Plaza, shown: seed.Shown | None) -> None:
    """Print who of the made-up people can log in, where there are some; `shown`: those that were made just now."""
    if shown:
        command.print_people(shown)
    elif settings.seed and (usernames := await seed.shown_before(plaza.mongo)):
        command.print_people_of_before(usernames)


def media_url(settings: EmbeddedSettings) -> str:
    """Return where pictures are stored: beside the other data, unless MEDIA_URL is set."""
    media = load(MediaSettings, "embedded")
    return media.media_url if "media_url" in media.model_fields_set else f"file:{settings.plaza_var / 'media'}"


def check(settings: EmbeddedSettings) -> None:
    """Raise StartError where SEED is wrong, or the system is open to other machines."""
    if not settings.seed:
        return
    if settings.seed < FEWEST:
        raise StartError(f"SEED is wrong: fewer than {FEWEST} people make no crowd")
    if settings.one_port or settings.host not in LOCAL:
        raise StartError("SEED is for this machine alone, since these people share a password: leave PORT and HOST out")
    if settings.mongo_url and not command.on_this_machine(settings.mongo_url):
        raise StartError("SEED fills no database on another machine; `python -m social seed --yes` does")
