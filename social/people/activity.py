"""The log of what happened to an account: logins, ends of sessions, changes of what one logs in with, blocks.

An entry is never changed. The `activity` workers write it, from an event that commits with what it tells of. It is
deleted after 90 days, or with its account. Of each kind no more than 50 entries a day and person are kept: so neither
a stranger who guesses nor a person who blocks and unblocks without end makes the log grow without bound, and a flood
of one kind does not crowd out another.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from social.contracts.activity import Activities, Activity, ActivityKind
from social.contracts.events import ActivityNoted
from social.contracts.problems import NotFound
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Document, Mongo, Transaction
from social.infra.store.paging import Asked, Listing
from social.people import users

COLLECTION = "activity"
MINE = Listing("activity", COLLECTION, "_id")
MOST_A_DAY = 50  # entries of one kind and person
DAY = timedelta(days=1)
AHEAD = timedelta(minutes=1)  # that an event's clock may be; a time further ahead is of a wrong clock


class Client(NamedTuple):
    """The address and device of a request, as its person sees them in the lists of their sessions and activity."""

    ip: str | None = None
    device: str | None = None


UNKNOWN = Client()


class Entry(NamedTuple):
    """An `ActivityNoted` event with its id and time."""

    id: str
    at: datetime
    noted: ActivityNoted


def note(tx: Transaction, user_id: str, what: ActivityKind, client: Client = UNKNOWN, **more: Any) -> None:
    """Have the log of a person say that this happened, if the transaction commits; `more` as `ActivityNoted` has it."""
    tx.record(ActivityNoted(user_id=user_id, what=what, ip=client.ip, device=client.device, **more))


def note_failed_login(plaza: Plaza, user_id: str | None, client: Client) -> None:
    """Note a failed login beside the answer, with the same work where nobody has the name (`user_id` is None).

    The workers drop what is nobody's. It is left out while many events wait for the broker: a stranger who guesses must
    not fill the outbox, on which everybody's writes depend.
    """
    if not plaza.outbox.has_room:
        return
    noted = ActivityNoted(user_id=user_id, what=ActivityKind.LOGIN_FAILED, ip=client.ip, device=client.device)
    plaza.beside.start("failed login", lambda: plaza.commit_always(_record, noted))


async def _record(tx: Transaction, noted: ActivityNoted) -> None:
    tx.record(noted)


async def keep(mongo: Mongo, entries: Sequence[Entry]) -> None:
    """Write these entries to the logs of people who have an account, up to the bound of the day; safe to repeat.

    A deleted account takes no entry, so that nothing of it comes back after it was forgotten.
    """
    ids = {each.noted.user_id for each in entries if each.noted.user_id}
    people = await mongo.get_many("users", ids, ("deleted_at",))
    here = [user_id for user_id, user in people.items() if not user.get("deleted_at")]
    if not here:
        return
    since = clock.first_id(clock.now() - DAY)
    lately = await mongo.many(
        COLLECTION, {"user_id": {"$in": here}, "_id": {"$gte": since}}, fields={"user_id": 1, "what": 1}
    )
    kept = Counter((row["user_id"], row["what"]) for row in lately)
    rows = []
    for each in entries:
        if each.noted.user_id in here and kept[each.noted.user_id, each.noted.what] < MOST_A_DAY:
            kept[each.noted.user_id, each.noted.what] += 1
            rows.append(_row(each))
    await mongo.insert_missing(COLLECTION, rows)


def _row(entry: Entry) -> Document:
    said = entry.noted.model_dump(exclude_none=True)
    return {**said, "_id": entry.id, "at": clock.believed(entry.at, clock.now(), AHEAD)}


async def page(mongo: Mongo, owner: str, *, cursor: str | None, limit: int) -> Activities:
    """Return a page of a person's own log, the newest entry first."""
    found = await MINE.page(mongo, {"user_id": owner}, Asked(owner, cursor, limit))
    people = await users.refs(mongo, {row["about"] for row in found.items if "about" in row})
    items = [
        Activity.model_construct(
            id=row["_id"],
            what=row["what"],
            at=row["at"],
            ip=row.get("ip"),
            device=row.get("device"),
            session_id=row.get("session_id"),
            reason=row.get("reason"),
            user=people.get(row.get("about", "")),
        )
        for row in found.items
    ]
    return Activities.model_construct(items=items, next=found.next, prev=found.prev)


async def newest(mongo: Mongo, username: str | None, most: int) -> list[Document]:
    """The newest entries of one person, or of everybody, with usernames, for the operator; raises NotFound."""
    where: Document = {}
    if username is not None:
        user = await mongo.one("users", {"username": username}, {"_id": 1})
        if user is None:
            raise NotFound(f"There is no account {username!r}")
        where = {"user_id": user["_id"]}
    found = await mongo.many(COLLECTION, where, sort=[("_id", -1)], limit=most)
    names = await _usernames(mongo, (row[who] for row in found for who in ("user_id", "about") if who in row))
    return [{**row, "user": names.get(row["user_id"]), "about": names.get(row.get("about", ""))} for row in found]


async def _usernames(mongo: Mongo, ids: Iterable[str]) -> dict[str, str]:
    people = await mongo.get_many("users", set(ids), ("username",))
    return {user_id: user["username"] for user_id, user in people.items()}


def bury(tx: Transaction, user: Document) -> None:
    """Of a deleted account the log keeps one entry: that it was deleted, and when, under the name nobody has again."""
    row = {"_id": clock.new_id(), "user_id": f"@{user['username']}", "what": ActivityKind.ACCOUNT_DELETED}
    tx.insert(COLLECTION, {**row, "at": user.get("deleted_at") or clock.now()})
