"""`python -m devtools.cluster`, or `make cluster`: run the processes of production on this machine."""

import argparse
from functools import partial

from devtools.cluster import control
from devtools.cluster.settings import ClusterSettings
from social.contracts.codec import encode
from social.infra.process.process import run
from social.infra.settings import load


async def main() -> bool:
    """Run a cluster until a signal stops it."""
    from devtools.cluster import app  # imports all of Plaza, which the other commands do not need

    return await app.main()


async def request(arguments: argparse.Namespace) -> bool:
    """Send a command to the running cluster and print its answers; return False when the command failed."""
    done = False
    folder = load(ClusterSettings, "embedded").plaza_var.absolute()
    async for answer in control.request(folder, arguments.do, getattr(arguments, "names", ())):
        match answer:
            case {"say": str(line)}:
                print(line, flush=True)
            case {"parts": list(parts)}:
                done = True
                print("\n".join(encode(part).decode() for part in parts))
            case {"done": True}:
                done = True
            case {"failed": str(why)}:
                print(f"plaza: {why}")
    return done


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; without a command the cluster runs."""
    parser = argparse.ArgumentParser(prog="python -m devtools.cluster", description=main.__doc__)
    commands = parser.add_subparsers(dest="do")
    commands.add_parser("status", help="one line of JSON for each part that runs")
    command = commands.add_parser("roll", help="replace the processes one after another, each by SIGTERM")
    command.add_argument(
        "names", nargs="*", help="only these: a kind (api, realtime, workers) or a process (realtime-2)"
    )
    return parser


if __name__ == "__main__":
    arguments = parser().parse_args()
    run(partial(request, arguments) if arguments.do else main)
