"""`make run SEED=200`: made-up people, where the system that starts has none."""

import asyncio
import contextlib

from embedded.settings import EmbeddedSettings
from social.infra.files.blobs import MediaSettings, blobs
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks
from social.infra.settings import StartError, load
from social.ops import seed
from social.ops.seed import command

FEWEST = 10
LOCAL = ("127.0.0.1", "::1", "localhost")


async def fill_empty(settings: EmbeddedSettings, plaza: Plaza, tasks: Tasks) -> None:
    """Fill a system without people, until it is done or the system is stopped."""
    if not settings.seed or await seed.has_people(plaza.mongo):
        return
    pictures = blobs(media_url(settings))
    with command.bar() as progress:
        filling = asyncio.create_task(seed.fill(plaza.mongo, pictures, seed.Wanted(settings.seed), progress))
        stopped = asyncio.create_task(tasks.stop.wait())
        try:
            await asyncio.wait([filling, stopped], return_when=asyncio.FIRST_COMPLETED)
            if filling.done():
                await filling
        finally:
            for each in (filling, stopped):
                each.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await each
            await pictures.close()


async def print_people(settings: EmbeddedSettings, plaza: Plaza) -> None:
    """Print who of the made-up people can log in, where there are some."""
    if settings.seed and (shown := await seed.shown_before(plaza.mongo)):
        command.print_people(shown)


def media_url(settings: EmbeddedSettings) -> str:
    """Return where pictures are stored: beside the other data, unless MEDIA_URL is set."""
    media = load(MediaSettings, "embedded")
    return media.media_url if "media_url" in media.model_fields_set else f"file:{settings.plaza_var / 'media'}"


def check(settings: EmbeddedSettings) -> None:
    """Raise StartError where SEED is wrong, or people elsewhere could log in with the password that everybody knows."""
    if not settings.seed:
        return
    if settings.seed < FEWEST:
        raise StartError(f"SEED is wrong: fewer than {FEWEST} people make no crowd")
    if settings.one_port or settings.host not in LOCAL:
        raise StartError(
            "SEED is for this machine alone, since all know the password of these people: leave PORT and HOST out"
        )
    if settings.mongo_url and not command.on_this_machine(settings.mongo_url):
        raise StartError("SEED fills no database on another machine; `python -m social seed --yes` does")
