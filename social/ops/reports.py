"""Reports: what people report to the operator of each other, once each."""

from datetime import datetime, timedelta
from typing import Any, TypedDict

from social.contracts.problems import AlreadyReported, FieldProblem, NotFound, RateLimited, ValidationFailed
from social.contracts.reports import NewReport, Report, Reported
from social.infra import clock
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.rows import COMMENTS, POSTS, REPORTS, USERS, Collection, ReportRow
from social.people import users

MOST_A_DAY = 50
AUTHORED: dict[str, Collection[Any]] = {"post": POSTS, "comment": COMMENTS}
DAY = timedelta(days=1)


class ListedReport(TypedDict):
    """A report as the operator sees it; the usernames are None where the accounts are gone."""

    kind: str
    target: str
    about: str | None
    reporter: str | None
    reason: str
    text: str | None
    created_at: datetime


async def file(tx: Transaction, ask: NewReport, *, by: str) -> Report:
    """File a report; raises NotFound, AlreadyReported, RateLimited, ValidationFailed for what is one's own."""
    about = await _about(tx, ask.target)
    if about == by:
        problem = FieldProblem(pointer="/target", code="oneself", detail="nobody can report themselves")
        raise ValidationFailed(errors=[problem])
    recent = {"reporter": by, "created_at": {"$gt": clock.now() - DAY}}
    if await tx.count(REPORTS, recent, limit=MOST_A_DAY) >= MOST_A_DAY:
        raise RateLimited(f"One person can report {MOST_A_DAY} things a day")
    report_id, now = clock.new_id(), clock.now()
    report: ReportRow = {
        "_id": report_id,
        "reporter": by,
        "kind": ask.target.kind,
        "target": ask.target.id,
        "about": about,
        "reason": ask.reason,
        "text": ask.text,
        "created_at": now,
    }
    once = {"reporter": by, "kind": ask.target.kind, "target": ask.target.id}
    if tx.attempt and await tx.one(REPORTS, once):
        raise AlreadyReported
    tx.insert(REPORTS, report)
    return Report(id=report_id, target=ask.target, reason=ask.reason, text=ask.text, created_at=now)


async def _about(tx: Transaction, target: Reported) -> str:
    """Return whom a report concerns; raises NotFound for a target that is not there."""
    about = target.id
    if target.kind in AUTHORED:
        thing = await tx.one(AUTHORED[target.kind], {"_id": target.id}, {"author_id": 1})
        if thing is None:
            raise NotFound
        about = thing["author_id"]
    if not await tx.one(USERS, {"_id": about, **users.HERE}, {"_id": 1}):
        raise NotFound
    return about


async def newest(mongo: Mongo, most: int) -> list[ListedReport]:
    """Return the newest reports, with the usernames of whom they concern and who filed them, for the operator."""
    found = await mongo.many(REPORTS, {}, sort=[("_id", -1)], limit=most)
    ids = {each["about"] for each in found} | {each["reporter"] for each in found if "reporter" in each}
    people = await mongo.many(USERS, {"_id": {"$in": list(ids)}}, fields={"username": 1})
    names = {each["_id"]: each["username"] for each in people}
    return [
        {
            "kind": each["kind"],
            "target": each["target"],
            "about": names.get(each["about"]),
            "reporter": names.get(each.get("reporter", "")),
            "reason": each["reason"],
            "text": each["text"],
            "created_at": each["created_at"],
        }
        for each in found
    ]
