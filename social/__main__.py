"""`python -m social`: the operator's command line."""

import argparse
import asyncio
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from social import commands
from social.contracts.problems import Problem
from social.infra.settings import StartError
from social.ops import backups, queues, recount, restoring


def parser() -> argparse.ArgumentParser:
    """Every command and what it takes."""
    parser = argparse.ArgumentParser(prog="python -m social", description="Operate a Plaza.")
    adding = parser.add_subparsers(dest="command", required=True)
    _installing(adding)
    _operating(adding)
    _about_people(adding)
    return parser


def _installing(adding: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = adding.add_parser(
        "migrate", help="create collections and indexes, and move what an older release kept otherwise (MONGO_URL)"
    )
    command.add_argument(
        "--wait",
        type=float,
        default=0,
        metavar="SECONDS",
        help="how long to wait for a store that is not there yet",
    )
    command.add_argument(
        "--last",
        action="store_true",
        help="no process of the release before runs any more: drop the indexes that only it used",
    )
    command.set_defaults(run=commands.with_store(commands.migrate))

    command = adding.add_parser("keys", help="make the secrets of a new installation, in files, or change its JWT key")
    command.add_argument(
        "what",
        nargs="?",
        default="make",
        choices=list(commands.KEYS),
        help="make: those that are missing (default); rotate: sign with a new JWT key, whose public half is added to"
        " jwks.json; publish, sign: its two steps, where jwks.json has to be copied to the processes in between;"
        " values: print all as settings, for a platform that gives secrets as variables",
    )
    command.add_argument("folder", type=Path, help="where jwt.pem, jwks.json, refresh.key and pid.key are written")
    command.add_argument(
        "--copy", type=Path, metavar="FOLDER", help="keep jwks.json and pid.key there too, for who may see no other"
    )
    command.set_defaults(run=commands.make_keys)

    command = adding.add_parser(
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
    command.set_defaults(run=commands.examine)


def _operating(adding: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = adding.add_parser("demo", help="real accounts and sockets against a running system, and a table")
    command.add_argument("--api", default="http://localhost:8080", metavar="URL", help="default: %(default)s")
    command.add_argument("--realtime", default="http://localhost:8081", metavar="URL", help="default: %(default)s")
    command.add_argument("--users", type=int, default=20, help="how many people (default: %(default)s)")
    command.add_argument("--seconds", type=float, default=15, help="how long they act (default: %(default)s)")
    command.add_argument("--seed", type=int, default=None, help="repeat the same choices")
    command.add_argument("--json", action="store_true", help="print the result as one JSON line too")
    command.set_defaults(run=commands.run_demo)

    command = adding.add_parser(
        "seed",
        help="made-up people with faces, posts and some hours of history, for an empty system",
        description="Fills the database of MONGO_URL, or where that is not set the system that `make run` runs, if it"
        " has no people. All of them have one random password, which is printed once, at the end, and kept nowhere. An"
        " interrupted run leaves a database that the next run refuses: empty it, and begin again.",
    )
    command.add_argument(
        "--users", type=commands.some_people, default=1_000, metavar="N", help="how many people (default: %(default)s)"
    )
    command.add_argument("--hours", type=float, default=12, help="how far their posts go back (default: %(default)g)")
    command.add_argument("--seed", type=int, default=1, help="another number makes other people (default: %(default)s)")
    command.add_argument("--yes", action="store_true", help="also fill a database that is not on this machine")
    command.set_defaults(run=commands.seed)

    command = adding.add_parser("backlog", help="what waits, how many of it and since when (MONGO_URL)")
    command.set_defaults(run=commands.with_store(commands.show_backlog))

    command = adding.add_parser("queues", help="make the queues of SQS, or correct their attributes (BROKER_URL)")
    command.set_defaults(run=lambda _: queues.main(commands.show))

    command = adding.add_parser("parked", help="messages that no consumer could digest (MONGO_URL)")
    command.add_argument("what", choices=["list", "show", "replay", "discard"])
    command.add_argument("id", nargs="?", help="of one message, as `list` shows it")
    command.set_defaults(run=commands.with_store(commands.handle_parked))

    command = adding.add_parser("recount", help="set counts right that are not what is there (MONGO_URL)")
    command.add_argument("ids", nargs="*", metavar="id", help="of posts, comments or people")
    command.add_argument("--all", action="store_true", help="of everything")
    command.set_defaults(run=commands.with_store(commands.repair_counts, timeout_s=recount.TIMEOUT_S))

    command = adding.add_parser(
        "backup",
        help="copy the documents of the embedded store while it serves (MONGO_URL)",
        description="Has the store of `make run` or `make cluster` write all documents, as they are at one moment, to a"
        " file on its machine. Requests wait meanwhile. `secantus-restore-archive` unpacks it into an empty folder.",
    )
    command.add_argument("file", type=Path, help="a .tar.gz that is not there yet")
    command.set_defaults(run=commands.with_store(commands.back_up, timeout_s=backups.TIMEOUT_S))

    command = adding.add_parser(
        "restored",
        help="after a restore, or when the broker lost its queues: begin anew what cannot go on (MONGO_URL)",
        description="Run it while api, realtime and workers are stopped. It ends all sessions, gives each stream of"
        " notifications another epoch, and publishes the events since a moment before the backup once more.",
    )
    command.add_argument("since", type=commands.moment, help="RFC 3339; what was written from then on is told again")
    command.add_argument(
        "--broker-only",
        action="store_true",
        help="the documents were not restored, only the broker lost its queues: sessions and streams go on",
    )
    command.set_defaults(run=commands.with_store(commands.restore, timeout_s=restoring.TIMEOUT_S))


def _about_people(adding: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = adding.add_parser("suspend", help="end somebody's sessions and hide what they wrote (MONGO_URL)")
    command.add_argument("username")
    command.add_argument("--reason", default=None, help="kept with the account, for other operators")
    command.add_argument("--lift", action="store_true", help="end the suspension")
    command.set_defaults(run=commands.with_store(commands.suspend))

    command = adding.add_parser(
        "activity", help="logins, ends of sessions, changes of passwords and other acts on accounts (MONGO_URL)"
    )
    command.add_argument("username", nargs="?", help="whose; of everybody where it is left out")
    command.add_argument("--most", type=int, default=100, help="how many (default: %(default)s)")
    command.set_defaults(run=commands.with_store(commands.show_activity))

    command = adding.add_parser("reports", help="what people reported, the newest first (MONGO_URL)")
    command.add_argument("--most", type=int, default=100, help="how many (default: %(default)s)")
    command.set_defaults(run=commands.with_store(commands.show_reports))


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
