"""The log of what happened to an account: logins, ends of sessions, changes of credentials, blocks.

An entry is never changed. The `activity` workers write it, from an event that commits with what it is about. It is
deleted after 90 days, or with its account. Of each kind no more than 50 entries a day and person are kept: so neither
unauthenticated guesses nor a person who blocks and unblocks without end makes the log grow without bound, and a flood
of one kind does not crowd out another.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypedDict

from social.contracts.activity import Activities, Activity, ActivityKind
from social.contracts.auth import SessionEnd
from social.contracts.events import ActivityNoted
from social.contracts.problems import NotFound
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Document, Mongo, Transaction
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import ACTIVITY, USERS, ActivityRow, UserRow
from social.people import users

MINE = Listing("activity", ACTIVITY, "_id")
MAY_SAY: tuple[Literal["ip", "device", "session_id", "reason", "about"], ...]
MAY_SAY = ("ip", "device", "session_id", "reason", "about")
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

    The workers drop a note without a person. None is made while many events wait for the broker: unauthenticated
    guesses must not fill the outbox, on which everybody's writes depend.
    """
    if not plaza.outbox.has_room:
        return
    noted = ActivityNoted(user_id=user_id, what=ActivityKind.LOGIN_FAILED, ip=client.ip, device=client.device)
    plaza.best_effort.start("failed login", lambda: plaza.commit_always(_record, noted))


async def _record(tx: Transaction, noted: ActivityNoted) -> None:
    tx.record(noted)


async def keep(mongo: Mongo, entries: Sequence[Entry]) -> None:
    """Write these entries to the logs of people who have an account, up to the bound of the day; safe to repeat.

    A deleted account takes no entry, so that nothing of it comes back after it was forgotten.
    """
    ids = {each.noted.user_id for each in entries if each.noted.user_id}
    people = await mongo.get_many(USERS, ids, ("deleted_at",))
    here = [user_id for user_id, user in people.items() if not user.get("deleted_at")]
    if not here:
        return
    since = clock.first_id(clock.now() - DAY)
    lately = await mongo.many(
        ACTIVITY, {"user_id": {"$in": here}, "_id": {"$gte": since}}, fields={"user_id": 1, "what": 1}
    )
    kept = Counter((row["user_id"], row["what"]) for row in lately)
    rows = []
    for each in entries:
        user_id, what = each.noted.user_id, each.noted.what
        if user_id is not None and user_id in here and kept[user_id, what] < MOST_A_DAY:
            kept[user_id, what] += 1
            rows.append(_row(user_id, each))
    await mongo.insert_missing(ACTIVITY, rows)


def _row(user_id: str, entry: Entry) -> ActivityRow:
    at = clock.believed(entry.at, clock.now(), AHEAD)
    row: ActivityRow = {"_id": entry.id, "user_id": user_id, "what": entry.noted.what, "at": at}
    for name in MAY_SAY:
        if (value := getattr(entry.noted, name)) is not None:
            row[name] = value
    return row


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


class ListedActivity(TypedDict):
    """An entry as the operator sees it; the usernames are None where the accounts are gone."""

    at: datetime
    what: ActivityKind
    user: str | None
    about: str | None
    reason: SessionEnd | None
    ip: str | None
    device: str | None


async def newest(mongo: Mongo, username: str | None, most: int) -> list[ListedActivity]:
    """Return the newest entries of a person, or of everybody, with usernames, for the operator; raises NotFound."""
    where: Document = {}
    if username is not None:
        user = await mongo.one(USERS, {"username": username}, {"_id": 1})
        if user is None:
            raise NotFound(f"There is no account {username!r}")
        where = {"user_id": user["_id"]}
    found = await mongo.many(ACTIVITY, where, sort=[("_id", -1)], limit=most)
    ids = {row["user_id"] for row in found} | {row["about"] for row in found if "about" in row}
    names = await _usernames(mongo, ids)
    return [
        {
            "at": row["at"],
            "what": row["what"],
            "user": names.get(row["user_id"]),
            "about": names.get(row.get("about", "")),
            "reason": row.get("reason"),
            "ip": row.get("ip"),
            "device": row.get("device"),
        }
        for row in found
    ]


async def _usernames(mongo: Mongo, ids: Iterable[str]) -> dict[str, str]:
    people = await mongo.get_many(USERS, set(ids), ("username",))
    return {user_id: user["username"] for user_id, user in people.items()}


def bury(tx: Transaction, user: UserRow) -> None:
    """Keep an entry of a deleted account: that it was deleted, and when, under the username nobody has again."""
    row: ActivityRow = {
        "_id": clock.new_id(),
        "user_id": f"@{user['username']}",
        "what": ActivityKind.ACCOUNT_DELETED,
        "at": user.get("deleted_at") or clock.now(),
    }
    tx.insert(ACTIVITY, row)
