"""Commands of `python -m social`: each prints what it did; StartError and Problem end it with a line."""

import argparse
import asyncio
import logging
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from social.accounts import lifecycle
from social.contracts.codec import encode
from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.process import starting
from social.infra.security import keyfiles
from social.infra.security.tokens import ACCESS_LIVES, LEEWAY
from social.infra.settings import StartError, StoreSettings, load
from social.infra.store.mongo import Mongo
from social.ops import backlog, backups, doctor, parked, recount, reports, restoring
from social.ops.refolding import refold
from social.people import activity

PAUSE_S = 5

show = Console(highlight=False, markup=False).print  # errors and events say things in [brackets]

KEYS: dict[str, Sequence[Callable[[Path], Sequence[object]]]] = {
    "make": [keyfiles.make_keys],
    "publish": [lambda folder: [f"published {keyfiles.publish(folder)}"]],
    "sign": [lambda folder: [f"signing with {keyfiles.sign(folder)}"]],
}
KEYS["values"] = [keyfiles.values]
KEYS["rotate"] = [*KEYS["publish"], *KEYS["sign"]]


def with_store(
    work: Callable[[Mongo, argparse.Namespace], Awaitable[None]], *, timeout_s: float = 5.0
) -> Callable[[argparse.Namespace], Awaitable[int]]:
    """Return a command that runs this work with the store of MONGO_URL, and ends with code 0."""

    async def run(arguments: argparse.Namespace) -> int:
        settings = load(StoreSettings, "api")
        mongo = Mongo(settings.mongo_url, settings.mongo_database, timeout_s=timeout_s)
        try:
            await work(mongo, arguments)
        except Unavailable as error:
            raise StartError(f"cannot use {starting.store(error)}; MONGO_URL says where it is") from None
        finally:
            mongo.close()
        return 0

    return run


async def run_demo(arguments: argparse.Namespace) -> int:
    """Run the demo against a running system."""
    from social.ops import demo  # and the clients it needs: nobody else is to wait for them

    return await demo.main(arguments)


def some_people(text: str) -> int:
    """Return a number of made-up people; raises ValueError for too few or too many."""
    if not 10 <= (count := int(text)) <= 10_000:
        raise argparse.ArgumentTypeError("from 10 to 10,000 people")
    return count


async def seed(arguments: argparse.Namespace) -> int:
    """Fill an empty system with made-up people."""
    from social.ops.seed import command  # and what draws pictures

    return await command.main(arguments)


async def migrate(mongo: Mongo, arguments: argparse.Namespace) -> None:
    """Create collections and indexes, and move what an older release kept otherwise."""
    await starting.migrated(
        mongo,
        arguments.wait,
        lambda waits_for: show(f"waiting for {waits_for}", soft_wrap=True),
        last=arguments.last,
    )
    await refold(mongo)


async def make_keys(arguments: argparse.Namespace) -> int:
    """Make, publish or rotate keys, step by step."""
    try:
        for step in KEYS[arguments.what]:
            for line in step(arguments.folder):
                show(str(line), soft_wrap=True)
            if arguments.copy:  # after each step: who verifies must have a key before anybody signs with it
                keyfiles.copy_verifying_keys(arguments.folder, arguments.copy)
    except OSError as error:
        raise StartError(f"cannot use the keys in {arguments.folder}: {error.strerror}") from None
    except ValueError as error:
        raise StartError(f"cannot use the keys in {arguments.folder}: {error}") from None
    return 0


async def examine(arguments: argparse.Namespace) -> int:
    """Print the findings of the doctor; return 1 where one is a problem."""
    logging.disable()  # what a client library says of a server that is away is found, and said in plain words
    warnings.filterwarnings("ignore", "coroutine 'Connection.close' was never awaited")  # aio_pika's, then
    findings = await doctor.examine(arguments.process)
    counts = {level.value: sum(each.level == level for each in findings) for level in doctor.Level}
    if arguments.json:
        # `mend` is the former name of `remedy`, kept for a release (docs/compatibility.md).
        said = {"findings": [each._asdict() | {"mend": each.remedy} for each in findings], "counts": counts}
        show(encode(said).decode(), soft_wrap=True)
    else:
        for each in findings:
            remedy = f"; {each.remedy}" if each.remedy else ""
            show(f"{each.level:<8} {each.about:<9} {each.says}{remedy}", soft_wrap=True)
        show(", ".join(f"{count} {level}" for level, count in counts.items()))
    return 1 if counts[doctor.Level.PROBLEM] else 0


async def show_backlog(mongo: Mongo, _: argparse.Namespace) -> None:
    """Print what waits, and since when."""
    async for each in backlog.all_of_it(mongo):
        since = f", the first for {max(0, each.since.total_seconds()):.0f} s" if each.rows else ""
        show(f"{each.what}: {each.rows}{since}")


async def handle_parked(mongo: Mongo, arguments: argparse.Namespace) -> None:
    """List, show, replay or discard parked messages."""
    if arguments.what == "list":
        for row in await parked.listed(mongo):  # whole lines, whatever the terminal's width: an id must be copied
            at, kind = row["at"].isoformat(timespec="seconds"), row["type"] or "?"
            show(f"{row['_id']}  {kind}  {at}  {row['attempts']} attempts  {row['error'][:200]}", soft_wrap=True)
        return
    if not arguments.id:
        raise StartError(f"`parked {arguments.what}` needs the id of a message; `parked list` shows them")
    match arguments.what:
        case "show":
            show(encode(await parked.shown(mongo, arguments.id)).decode(), soft_wrap=True)
        case "replay":
            await parked.replay(mongo, arguments.id)
        case "discard":
            await parked.discard(mongo, arguments.id)


async def repair_counts(mongo: Mongo, arguments: argparse.Namespace) -> None:
    """Compare counts with what is there, and set right those that stay wrong."""
    if bool(arguments.ids) == arguments.all:
        raise StartError("`recount` needs the ids of posts, comments or people, or --all")
    batches = recount.everything(mongo) if arguments.all else recount.named(mongo, arguments.ids)
    compared, found = 0, []
    async for collection, ids in batches:
        found += await recount.doubts(mongo, collection, ids)
        compared += len(ids)
        show(f"{collection}: up to {ids[-1]}, {compared} compared in all, {len(found)} in doubt", soft_wrap=True)
    mended, busy = 0, 0
    if found:
        show(f"waiting {recount.COUNTS_SETTLE.total_seconds():g} s: most of these are counts on their way")
    for doubt in found:
        await asyncio.sleep((doubt.since + recount.COUNTS_SETTLE - clock.now()).total_seconds())
        drift = await recount.repair(mongo, doubt)
        mended, busy = mended + bool(drift), busy + (drift is None)
        for name in drift or ():
            show(f"{doubt.collection} {doubt.id}: {name} {doubt.counts[name]} -> {doubt.true[name]}", soft_wrap=True)
    show(f"{mended} mended; {busy} changed meanwhile: try those again when they are quiet")


def moment(text: str) -> datetime:
    """Return a moment given as RFC 3339; UTC where it names no zone."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


async def restore(mongo: Mongo, arguments: argparse.Namespace) -> None:
    """Begin anew what cannot go on after a restore; after the loss of the broker alone, only what followed from it."""
    if not arguments.broker_only:
        show(f"streams: {await restoring.renew_streams(mongo)} in another epoch; clients fetch again")
        show(f"sessions: {await restoring.end_sessions(mongo)} ended; everybody logs in again")
        until = (clock.now() + ACCESS_LIVES + LEEWAY).isoformat(timespec="seconds")
        show(f"access tokens: make another JWT key, or start nothing before {until}", soft_wrap=True)
    await restoring.forget_timelines(mongo)
    show("home timelines: built again when they are read")
    async for collection, count in restoring.publish_again(mongo, arguments.since):
        show(f"{collection}: {count} told again")
        while await restoring.waiting(mongo) > restoring.MOST_WAITING:
            show("waiting for the workers to take some of it")
            await asyncio.sleep(PAUSE_S)


async def back_up(mongo: Mongo, arguments: argparse.Namespace) -> None:
    """Copy the embedded store, while it serves, into an archive."""
    began = time.monotonic()
    size = await backups.archive(mongo, arguments.file)
    took_s = time.monotonic() - began
    show(f"{arguments.file}: {size / 1e6:.1f} MB in {took_s:.1f} s, in which requests waited", soft_wrap=True)


async def suspend(mongo: Mongo, arguments: argparse.Namespace) -> None:
    """Suspend an account, or lift its suspension."""
    username = arguments.username.strip().lower()
    if arguments.lift:
        await lifecycle.lift(mongo, username)
        show(f"{username} can log in again")
    else:
        await lifecycle.suspend(mongo, username, arguments.reason)
        show(f"{username} is suspended; sessions and sockets end within two seconds")


async def show_activity(mongo: Mongo, arguments: argparse.Namespace) -> None:
    """Print the newest acts on accounts."""
    username = arguments.username.lower() if arguments.username else None
    for each in await activity.newest(mongo, username, arguments.most):
        at, about = each["at"].isoformat(timespec="seconds"), f"  {each['about']}" if each["about"] else ""
        reason = f"  {each['reason']}" if each.get("reason") else ""
        device = f"  {encode(each['device']).decode()}" if each.get("device") else ""
        who = each["user"] or "(deleted)"
        show(f"{at}  {each['what']}  {who}{about}{reason}  {each.get('ip') or '-'}{device}", soft_wrap=True)


async def show_reports(mongo: Mongo, arguments: argparse.Namespace) -> None:
    """Print the newest reports."""
    for each in await reports.newest(mongo, arguments.most):
        at, target = each["created_at"].isoformat(timespec="seconds"), f"{each['kind']} {each['target']}"
        who = f"{each['about'] or '(deleted)'}, by {each['reporter'] or '(deleted)'}"
        show(f"{at}  {each['reason']}  {target}  of {who}  {encode(each['text']).decode()}", soft_wrap=True)
