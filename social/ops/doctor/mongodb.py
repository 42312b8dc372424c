"""MongoDB: a replica set that keeps what it acknowledged, with every collection and index."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.settings import StartError
from social.infra.store import schema
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.rows import LEASES, LeaseRow
from social.ops.doctor import clocks
from social.ops.doctor.findings import Finding, ok, problem, warning, where, why

OLDEST = 7
LAGS = timedelta(seconds=30)  # a primary that has nothing to do still writes every 10 s
LIFETIME = "transactionLifetimeLimitSeconds"
LONGEST_TRANSACTION_S = 15  # what waits for the end of every transaction under way waits for so long
MAY_NOT_ASK = (13, 59)  # Unauthorized, CommandNotFound
WRONG_PASSWORD = (18, 8000)  # AuthenticationFailed, and what Atlas calls it
IN_SERVICE = (1, 2, 7)  # primary, secondary, arbiter


async def examine(mongo: Mongo, url: str) -> AsyncIterator[Finding]:
    """Check MongoDB, from whether it is there to whether it has every index; stop where the rest cannot be seen."""
    try:
        build = await _asked(mongo, "buildInfo")
    except PyMongoError as error:
        yield _away(error, url)
        return
    yield _version(build, url)
    asked_at = clock.now()
    hello = await _asked(mongo, "hello")
    yield clocks.compare("MongoDB", hello["localTime"], asked_at)
    if "setName" not in hello:
        remedy = "start mongod with --replSet and call rs.initiate(): there are no transactions without"
        yield problem("mongodb", "is no replica set", remedy)
        return
    status = await _allowed(mongo, "replSetGetStatus")
    server, parameters = await _allowed(mongo, "serverStatus"), await _allowed(mongo, "getParameter", **{LIFETIME: 1})
    if "secantusVersion" in build:
        parameters = None  # it has no option for that
    for finding in (*members(hello["setName"], status), *durability(server or {}, parameters or {})):
        yield finding
    wrong = await schema.wrong(mongo)
    if wrong:
        some = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        if all(each.endswith("is missing") for each in wrong):
            remedy = "python -m social migrate"
        else:
            remedy = "drop those that are different, then python -m social migrate"
        yield problem("indexes", some, remedy)
        return
    yield ok("indexes", f"all {sum(map(len, schema.INDEXES.values()))} are there, as they should be")
    yield await _commits(mongo)


async def _asked(mongo: Mongo, command: str, **options: Any) -> dict[str, Any]:
    database = mongo.database
    answer: dict[str, Any] = await database.client.admin.command(
        command, codec_options=database.codec_options, **options
    )
    return answer


async def _allowed(mongo: Mongo, command: str, **options: Any) -> dict[str, Any] | None:
    """Return the answer, or None where the user may not ask or there is no such command."""
    try:
        return await _asked(mongo, command, **options)
    except OperationFailure as error:
        if error.code not in MAY_NOT_ASK:
            raise
        return None


def _away(error: Exception, url: str) -> Finding:
    if isinstance(error, OperationFailure) and error.code in WRONG_PASSWORD:
        return problem("mongodb", f"{where(url)} refuses the user or the password", "correct them in MONGO_URL")
    if isinstance(error, OperationFailure):
        return problem("mongodb", f"{where(url)} refuses: {why(error)}", "give the user the role readWrite")
    says = f"{where(url)} cannot be reached, or has no primary: {why(error)}"
    return problem("mongodb", says, "start it, or correct MONGO_URL")


def _version(build: dict[str, Any], url: str) -> Finding:
    version = str(build["version"])
    if own := build.get("secantusVersion"):
        return ok("mongodb", f"{where(url)} is SecantusDB {own}, for laptops and tests")
    if int(version.partition(".")[0]) < OLDEST:
        return problem("mongodb", f"is version {version}", f"use MongoDB {OLDEST} or newer")
    return ok("mongodb", f"{where(url)} is version {version}")


def members(name: str, status: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Check a replica set by the answer of replSetGetStatus, or None where the user may not ask for it."""
    if status is None:
        yield warning(
            "mongodb",
            f"replica set {name}: this user may not see its members and parameters",
            "grant it clusterMonitor, or ask as somebody who has it",
        )
        return
    every = status["members"]
    out = [each for each in every if each.get("health") == 0 or each["state"] not in IN_SERVICE]
    needed, left = len(every) // 2 + 1, len(every) - len(out)
    for each in out:
        says = f"member {each['name']} of {name} is {each['stateStr']}; {left} of {len(every)} are left"
        remedy = "bring it back: " + ("without a majority there are no writes" if left <= needed else "see its log")
        yield (problem if left < needed else warning)("mongodb", says, remedy)
    if not out:
        yield ok("mongodb", f"replica set {name}: {left} of {len(every)} members are in service")
    written = {each["name"]: each["optimeDate"] for each in every if each not in out and "optimeDate" in each}
    for member, at in written.items():
        if (behind := max(written.values()) - at) > LAGS:
            says = f"member {member} of {name} is {behind.total_seconds():.0f} s behind"
            yield warning("mongodb", says, "see its log, its disk and its network: a majority may have to wait for it")


def durability(server: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[Finding]:
    """Check durability by the answers of serverStatus and getParameter, empty where the user may not ask."""
    if server.get("storageEngine", {}).get("persistent") is False:
        yield problem("mongodb", "its storage engine keeps everything in memory", "use WiredTiger")
    if (seconds := parameters.get(LIFETIME, 0)) > LONGEST_TRANSACTION_S:
        says = f"what a process wrote that died in a transaction is locked for {seconds} s"
        yield warning("mongodb", says, f"start mongod with --setParameter {LIFETIME}={LONGEST_TRANSACTION_S}")


async def _commits(mongo: Mongo) -> Finding:
    """Return the one proof that counts: a transaction that a majority has in its journal; it leaves nothing behind."""

    async def work(tx: Transaction) -> None:
        row: LeaseRow = {"_id": f"doctor {clock.new_id()}"}
        tx.insert(LEASES, row)
        tx.delete(LEASES, row)

    try:
        await mongo.transact(work)
    except (Unavailable, PyMongoError, StartError) as error:
        says = f"a transaction did not commit: {why(error.__cause__ or error)}"
        return problem("mongodb", says, "see its log; the user needs the role readWrite, and the set a majority")
    return ok("mongodb", "a transaction commits, in the journal of a majority")
