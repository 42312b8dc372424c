"""`python -m devtools.cluster`, or `make cluster`: production's processes on this machine; `roll` replaces them."""

import argparse
from functools import partial

from devtools.cluster import control
from devtools.cluster.settings import ClusterSettings
from social.contracts.codec import encode
from social.infra.process.process import run
from social.infra.process.settings import load


async def main() -> bool:
    """Run a cluster until told to stop."""
    from devtools.cluster import app  # not for who only tells it something: it knows all of Plaza

    return await app.main()


async def tell(arguments: argparse.Namespace) -> bool:
    """Tell the cluster that runs; False when it could not do it."""
    done = False
    folder = load(ClusterSettings, "embedded").plaza_var.absolute()
    async for answer in control.ask(folder, arguments.do, getattr(arguments, "names", ())):
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
    """What can be asked for; nothing: run it."""
    parser = argparse.ArgumentParser(prog="python -m devtools.cluster", description=main.__doc__)
    commands = parser.add_subparsers(dest="do")
    commands.add_parser("status", help="one line of JSON for each part that runs")
    command = commands.add_parser("roll", help="replace the processes one after another, each by SIGTERM")
    command.add_argument("names", nargs="*", help="only these: api, realtime, workers, or one as realtime-2")
    return parser


if __name__ == "__main__":
    asked = parser().parse_args()
    run(partial(tell, asked) if asked.do else main)
