"""`python -m social`: the operator's command line."""

import argparse
import asyncio
import gc
import logging
import sys
import warnings
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from social.accounts import lifecycle
from social.contracts.codec import encode
from social.contracts.problems import Problem, Unavailable
from social.infra import clock
from social.infra.process import starting
from social.infra.security import keyfiles
from social.infra.settings import StartError, StoreSettings, load
from social.infra.store.mongo import Mongo
from social.ops import backlog, doctor, parked, recount, reports, restoring
from social.ops.refolding import refold
from social.people import activity

PAUSE_S = 5

show = Console(highlight=False, markup=False).print  # errors and events say things in [brackets]


KEYS: dict[str, Sequence[Callable[[Path], Sequence[object]]]] = {
    "make": [keyfiles.make_keys],
    "publish": [lambda folder: [f"published {keyfiles.publish(folder)}"]],
    "sign": [lambda folder: [f"signing with {keyfiles.sign(folder)}"]],
}
KEYS["rotate"] = [*KEYS["publish"], *KEYS["sign"]]


def parser() -> argparse.ArgumentParser:
    """Every command and what it takes."""
    parser = argparse.ArgumentParser(prog="python -m social", description="Operate a Plaza.")
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser(
        "migrate", help="create collections and indexes, and move what an older release kept otherwise (MONGO_URL)"
    )
    command.add_argument(
        "--wait",
        type=float,
        default=0,
        metavar="SECONDS",
        help="how long to wait for a store that is not there yet",
    )
    help_text = "no process of the release before runs any more: drop the indexes that only it used"
    command.add_argument("--last", action="store_true", help=help_text)
    command.set_defaults(run=_with_store(_migrate))

    command = commands.add_parser(
        "keys", help="make the secrets of a new installation, in files, or change its JWT key"
    )
    command.add_argument(
        "what",
        nargs="?",
        default="make",
        choices=list(KEYS),
        help="make: those that are missing (default); rotate: sign with a new JWT key, whose public half is added to"
        " jwks.json; publish, sign: its two steps, where jwks.json has to be copied to the processes in between",
    )
    command.add_argument("folder", type=Path, help="where jwt.pem, jwks.json, refresh.key and pid.key are written")
    command.add_argument(
        "--copy", type=Path, metavar="FOLDER", help="keep jwks.json and pid.key there too, for who may see no other"
    )
    command.set_defaults(run=_keys)

    command = commands.add_parser(
        "doctor",
        help="whether a process would start, and its servers, keys, stores, indexes and queues are well;"
        " what to do where they are not",
        description="Has the process check all of its settings (python -m api --check), asks the servers that they name"
        " and the bucket of MEDIA_URL; of workers also the server of MAILER_URL, to which no mail is sent."
        " Exit code 1 when it found a problem.",
    )
    command.add_argument(
        "--process", choices=["api", "realtime", "workers"], default="api", help="whose settings (default: %(default)s)"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    command.set_defaults(run=_doctor)

    command = commands.add_parser("demo", help="real accounts and sockets against a running system, and a table")
    command.add_argument("--api", default="http://localhost:8080", metavar="URL", help="default: %(default)s")
    command.add_argument("--realtime", default="http://localhost:8081", metavar="URL", help="default: %(default)s")
    command.add_argument("--users", type=int, default=20, help="how many people (default: %(default)s)")
    command.add_argument("--seconds", type=float, default=15, help="how long they act (default: %(default)s)")
    command.add_argument("--seed", type=int, default=None, help="repeat the same choices")
    command.add_argument("--json", action="store_true", help="print the result as one JSON line too")
    command.set_defaults(run=_demo)

    command = commands.add_parser("backlog", help="what waits, how many of it and since when (MONGO_URL)")
    command.set_defaults(run=_with_store(_backlog))

    command = commands.add_parser("parked", help="messages that no consumer could digest (MONGO_URL)")
    command.add_argument("what", choices=["list", "show", "replay", "discard"])
    command.add_argument("id", nargs="?", help="of one message, as `list` shows it")
    command.set_defaults(run=_with_store(_parked))

    command = commands.add_parser("recount", help="set counts right that are not what is there (MONGO_URL)")
    command.add_argument("ids", nargs="*", metavar="id", help="of posts, comments or people")
    command.add_argument("--all", action="store_true", help="of everything")
    command.set_defaults(run=_with_store(_recount, timeout_s=recount.TIMEOUT_S))

    command = commands.add_parser(
        "restored", help="after a restore, or when RabbitMQ lost its queues: begin anew what cannot go on (MONGO_URL)"
    )
    command.add_argument("since", type=moment, help="RFC 3339; what was written from then on is told again")
    command.set_defaults(run=_with_store(_restored, timeout_s=restoring.TIMEOUT_S))

    command = commands.add_parser("suspend", help="end somebody's sessions and hide what they wrote (MONGO_URL)")
    command.add_argument("username")
    command.add_argument("--reason", default=None, help="kept with the account, for other operators")
    command.add_argument("--lift", action="store_true", help="end the suspension")
    command.set_defaults(run=_with_store(_suspend))

    command = commands.add_parser(
        "activity", help="logins, ends of sessions, changes of passwords and other acts on accounts (MONGO_URL)"
    )
    command.add_argument("username", nargs="?", help="whose; of everybody where it is left out")
    command.add_argument("--most", type=int, default=100, help="how many (default: %(default)s)")
    command.set_defaults(run=_with_store(_activity))

    command = commands.add_parser("reports", help="what people reported, the newest first (MONGO_URL)")
    command.add_argument("--most", type=int, default=100, help="how many (default: %(default)s)")
    command.set_defaults(run=_with_store(_reports))
    return parser


def _with_store(
    work: Callable[[Mongo, argparse.Namespace], Awaitable[None]], *, timeout_s: float = 5.0
) -> Callable[[argparse.Namespace], Awaitable[int]]:
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


async def _demo(arguments: argparse.Namespace) -> int:
    from social.ops import demo  # and the clients it needs: nobody else is to wait for them

    return await demo.main(arguments)


async def _migrate(mongo: Mongo, arguments: argparse.Namespace) -> None:
    say = partial(show, soft_wrap=True)
    await starting.migrated(mongo, arguments.wait, lambda what: say(f"waiting for {what}"), last=arguments.last)
    await refold(mongo)


async def _keys(arguments: argparse.Namespace) -> int:
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


async def _doctor(arguments: argparse.Namespace) -> int:
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


async def _backlog(mongo: Mongo, _: argparse.Namespace) -> None:
    async for each in backlog.all_of_it(mongo):
        since = f", the first for {max(0, each.since.total_seconds()):.0f} s" if each.rows else ""
        show(f"{each.what}: {each.rows}{since}")


async def _parked(mongo: Mongo, arguments: argparse.Namespace) -> None:
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


async def _recount(mongo: Mongo, arguments: argparse.Namespace) -> None:
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
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


async def _restored(mongo: Mongo, arguments: argparse.Namespace) -> None:
    show(f"streams: {await restoring.renew_streams(mongo)} in another epoch; clients fetch again")
    await restoring.forget_timelines(mongo)
    show("home timelines: built again when they are read")
    async for collection, count in restoring.publish_again(mongo, arguments.since):
        show(f"{collection}: {count} told again")
        while await restoring.waiting(mongo) > restoring.MOST_WAITING:
            show("waiting for the workers to take some of it")
            await asyncio.sleep(PAUSE_S)


async def _suspend(mongo: Mongo, arguments: argparse.Namespace) -> None:
    username = arguments.username.strip().lower()
    if arguments.lift:
        await lifecycle.lift(mongo, username)
        show(f"{username} can log in again")
    else:
        await lifecycle.suspend(mongo, username, arguments.reason)
        show(f"{username} is suspended; sessions and sockets end within two seconds")


async def _activity(mongo: Mongo, arguments: argparse.Namespace) -> None:
    username = arguments.username.lower() if arguments.username else None
    for each in await activity.newest(mongo, username, arguments.most):
        at, about = each["at"].isoformat(timespec="seconds"), f"  {each['about']}" if each["about"] else ""
        reason = f"  {each['reason']}" if each.get("reason") else ""
        device = f"  {encode(each['device']).decode()}" if each.get("device") else ""
        who = each["user"] or "(deleted)"
        show(f"{at}  {each['what']}  {who}{about}{reason}  {each.get('ip') or '-'}{device}", soft_wrap=True)


async def _reports(mongo: Mongo, arguments: argparse.Namespace) -> None:
    for each in await reports.newest(mongo, arguments.most):
        at, target = each["created_at"].isoformat(timespec="seconds"), f"{each['kind']} {each['target']}"
        who = f"{each['about'] or '(deleted)'}, by {each['reporter'] or '(deleted)'}"
        show(f"{at}  {each['reason']}  {target}  of {who}  {encode(each['text']).decode()}", soft_wrap=True)


def main(words: Sequence[str] | None = None) -> None:
    """Run one command; exit code 1 with one line when it fails."""
    arguments = parser().parse_args(words)
    try:
        sys.exit(asyncio.run(arguments.run(arguments)))
    except (StartError, Problem) as error:
        sys.exit(f"plaza: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    gc.freeze()  # or the end would look through all that was imported
    main()
