"""Filling an empty store with a history: pictures first, then documents in bulk, and people last.

Verbs would take a transaction for each act, and twenty times as long. Until people are there nothing leads to the
other documents. A run deletes nothing: where an earlier one was interrupted, the next one refuses.
"""

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from social.infra import clock
from social.infra.files.blobs import Blobs
from social.infra.security.passwords import Passwords
from social.infra.settings import StartError
from social.infra.store.mongo import AlreadyExists, Mongo
from social.infra.store.rows import MIGRATIONS, NOTIFICATIONS, USERS, MigrationRow
from social.ops.seed import making
from social.ops.seed.documents import Documents, Rows
from social.ops.seed.history import History, Ids
from social.ops.seed.pictures import Album

PASSWORD_BYTES = 9
BATCH = 500
FILES_AT_ONCE = 16
MARK = "seed"  # the row of `migrations` that says how far this came; only one run can insert it
BEGUN = "begun"
SHOWN = 3
PEOPLE = "there are people already: only an empty system is filled with made-up ones"
INTERRUPTED = (
    "an earlier seed was interrupted, or another one still runs: empty the database (of `make run`: stop it and remove"
    " the folder of PLAZA_VAR, which is var/ by default), and begin again"
)

Progress = Callable[[str, int, int], None]  # which part, how much of it is done, and of how much


class Wanted(NamedTuple):
    """The size of a history, and the number that its choices follow from."""

    people: int
    seed: int = 1
    hours: float = making.HOURS


class Shown(NamedTuple):
    """Usernames of people who have much to see, and the password that all made-up people share."""

    usernames: list[str]
    password: str


class Imagined(NamedTuple):
    """A history, with its documents by collection and its pictures."""

    history: History
    documents: Documents
    rows: Rows
    album: Album


async def fill(mongo: Mongo, pictures: Blobs, wanted: Wanted, progress: Progress) -> Shown:
    """Fill a store without people; return whom to log in as, with a password kept nowhere. Raises StartError."""
    if await has_people(mongo):
        raise StartError(PEOPLE)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    hashed = await _hashed(password)
    progress("imagining", 0, 1)
    imagined = imagine(wanted, hashed)
    progress("imagining", 1, 1)
    await keep(mongo, pictures, imagined, progress)
    shown = _interesting(imagined)
    await mongo.update(MIGRATIONS, {"_id": MARK}, {"$set": {"at": " ".join(shown)}})
    return Shown(shown, password)


def imagine(wanted: Wanted, password: str) -> Imagined:
    """Make a history that ends now, with its documents and pictures; `password`: the hash that all people share."""
    chance = random.Random(wanted.seed)  # noqa: S311 - for choices, not for secrets
    history = making.history(wanted.people, chance, clock.now(), hours=wanted.hours)
    album = Album(chance, wanted.people)
    documents = Documents(history, album, password=password, ids=Ids(chance.randbytes(5)))
    return Imagined(history, documents, documents.rows(), album)


async def keep(mongo: Mongo, pictures: Blobs, imagined: Imagined, progress: Progress) -> None:
    """Store a history in a store without people, where no other run began. Raises StartError."""
    await _begin(mongo)
    await _keep_files(imagined.album, pictures, progress)
    await _insert(mongo, imagined.rows, progress)


async def has_people(mongo: Mongo) -> bool:
    """Return whether anybody has, or had, an account."""
    return await mongo.one(USERS, {}, {"_id": 1}) is not None


async def shown_before(mongo: Mongo) -> list[str]:
    """Return usernames that an earlier run returned."""
    row = await mongo.one(MIGRATIONS, {"_id": MARK})
    return row["at"].split() if row and row["at"] != BEGUN else []


async def _hashed(password: str) -> str:
    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


async def _begin(mongo: Mongo) -> None:
    """Mark the beginning of this run; refuse where another one began, or people came while it was prepared."""
    mark: MigrationRow = {"_id": MARK, "at": BEGUN}
    try:
        await mongo.insert(MIGRATIONS, mark)
    except AlreadyExists:
        raise StartError(INTERRUPTED) from None
    if await has_people(mongo):
        await mongo.delete(MIGRATIONS, {"_id": MARK, "at": BEGUN})
        raise StartError(PEOPLE)


async def _keep_files(album: Album, pictures: Blobs, progress: Progress) -> None:
    files = list(album.files())
    for at in range(0, len(files), FILES_AT_ONCE):
        progress("pictures", at, len(files))
        await asyncio.gather(*(pictures.put(*each) for each in files[at : at + FILES_AT_ONCE]))
    progress("pictures", len(files), len(files))


async def _insert(mongo: Mongo, rows: Rows, progress: Progress) -> None:
    total, done = sum(map(len, rows.values())), 0
    for collection, documents in rows.items():
        for at in range(0, len(documents), BATCH):
            some = documents[at : at + BATCH]
            await mongo.insert_missing(collection, some)
            done += len(some)
            progress("documents", done, total)
    people: Sequence[str] = [each["_id"] for each in rows[USERS]]
    if len(await mongo.get_many(USERS, people, ("_id",))) < len(people):
        raise StartError("people registered meanwhile under names of made-up ones: empty the database, and try again")


def _interesting(imagined: Imagined) -> list[str]:
    """Return the usernames of people, followed by many, whose unread notifications are the most."""
    unread = Counter(group["recipient"] for group in imagined.rows[NOTIFICATIONS] if "slot" in group)
    people = imagined.history.people  # in the order of their weight
    busiest = sorted(people[: max(SHOWN, len(people) // 5)], key=lambda each: unread[each.id], reverse=True)
    return [each.username for each in busiest[:SHOWN]]
