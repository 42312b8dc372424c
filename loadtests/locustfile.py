"""Entry point of Locust: the scenarios, the hosts they may be aimed at, and the account of what arrived.

make load SCENARIO=viral USERS=100    # headless, with a cluster of its own
.venv/bin/locust -f loadtests/locustfile.py -H http://localhost:8080 --realtime http://localhost:8081
"""

import importlib
import logging
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import gevent
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopTest
from locust.runners import LocalRunner

from loadtests import target
from loadtests.results import result, write
from loadtests.run import Run

SCENARIOS = ("browse", "post", "viral", "celebrity", "reconnect-storm", "soak")
MODULES = {name: importlib.import_module("loadtests.scenarios." + name.replace("-", "_")) for name in SCENARIOS}
# Locust finds user classes here; a run takes those of its scenario.
globals().update({user.__name__: user for module in MODULES.values() for user in module.USERS})


@events.init_command_line_parser.add_listener
def _arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--scenario", choices=SCENARIOS, default="browse", help="what people do")
    parser.add_argument("--realtime", default="", metavar="URL", help="URL that sockets connect to, if not the host")
    parser.add_argument("--pause", type=float, default=3.0, help="mean seconds between two actions of a person")
    parser.add_argument("--settle", type=float, default=60.0, help="seconds after which a missing push counts as lost")
    parser.add_argument(
        "--followers", type=int, default=10_000, help="followers of the celebrity (default: %(default)s)"
    )
    parser.add_argument(
        "--allow",
        default="",
        metavar="HOST",
        include_in_web_ui=False,
        help="a host besides this machine, that you may load",
    )
    parser.add_argument(
        "--result", default="", metavar="FILE", include_in_web_ui=False, help="file for the result, as JSON"
    )
    parser.set_defaults(web_host="127.0.0.1")  # anybody who can open the page can start a load


@events.init.add_listener
def _check_options(environment: Environment, runner: Any, **_: Any) -> None:
    """Refuse more than one process, because one process counts the arrivals, and refuse hosts that were not allowed."""
    options = environment.parsed_options
    # From the command line only: Locust accepts any option from a form, also those that its page does not show.
    environment.allowed, environment.result_path = options.allow, options.result
    if runner is not None and not isinstance(runner, LocalRunner):
        sys.exit("a load runs in one process, which counts what arrives: no --master, --worker or --processes")
    if environment.host:
        try:
            _check(environment)
        except target.Refused as refused:
            sys.exit(str(refused))


@events.test_start.add_listener
def _begin(environment: Environment, **_: Any) -> None:
    try:
        _check(environment)
    except target.Refused as refused:  # the host that was typed into the page
        raise StopTest(str(refused)) from None
    module = MODULES[environment.parsed_options.scenario]
    environment.user_classes = module.USERS
    environment.process_exit_code = None
    run = Run(environment)
    for user in module.USERS:
        user.shared = run
    environment.plaza = run
    run.begin()
    if during := getattr(module, "during", None):
        gevent.spawn(during, run)


@events.test_stopping.add_listener
def _settle(environment: Environment, **_: Any) -> None:
    environment.plaza.settle()


@events.test_stop.add_listener
def _end(environment: Environment, **_: Any) -> None:
    run = environment.plaza
    run.end()
    figures = result(run)
    if environment.result_path:
        write(figures, Path(environment.result_path))
    for why in figures["wrong"]:
        logging.getLogger("plaza").error(why)
    environment.process_exit_code = 1 if figures["wrong"] else 0


def _check(environment: Environment) -> None:
    for url in filter(None, (environment.host, environment.parsed_options.realtime)):
        target.check(url, environment.allowed)
