"""Run a process without metrics, to measure their cost: `python loadtests/benchmarks/unobserved.py api`."""

import contextlib
import runpy
import sys
from pathlib import Path
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

sys.path.insert(0, str(Path(__file__).parents[2]))


def nothing(*_: Any, **__: Any) -> None:
    """Count nothing."""


def no_time(*_: Any) -> contextlib.AbstractContextManager[None]:
    """Take no time."""
    return contextlib.nullcontext()


for kind in (Counter, Gauge, Histogram):
    kind.labels = lambda self, *_, **__: self
for kind, names in {Counter: ("inc",), Gauge: ("inc", "dec", "set"), Histogram: ("observe",)}.items():
    for name in names:
        setattr(kind, name, nothing)
Gauge.track_inprogress = Histogram.time = no_time

from social.infra.store import store_metrics  # noqa: E402 - after nothing is counted any more

store_metrics.LISTENERS = ()
module = sys.argv.pop(1)  # the process reads the remaining arguments
runpy.run_module(module, run_name="__main__")
