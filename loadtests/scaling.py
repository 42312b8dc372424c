"""Write the tables and the chart of docs/scaling.md: how many of each process a size needs, and what they cost.

    python loadtests/scaling.py

All figures follow from `MEASURED` and `ASSUMED` below, each of which names where it comes from.
"""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from devtools.generate.aws_costs import HOURS, PRICES
from loadtests import charts

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/scaling.md"
CHART = ROOT / "docs/images/scaling.png"


class Constant(NamedTuple):
    """A number that the sizes are computed from."""

    value: float
    unit: str
    source: str  # the command that measured it, or why it is assumed


MEASURED = {
    "session": Constant(6_100, "B of memory a session in a gateway", "python loadtests/benchmarks/avalanche.py"),
    "idle": Constant(
        6.5, "µs of gateway CPU a second for a session at rest", "python loadtests/benchmarks/avalanche.py"
    ),
    "connect": Constant(1_600, "µs of gateway CPU a connect", "make bench ONLY=avalanche"),
    "descriptors": Constant(20_000, "sockets a gateway, by its descriptors here", "ulimit -Hn"),
    "push": Constant(74, "µs of gateway CPU a push to one person, eight gateways", "make bench ONLY=gateways"),
    "own": Constant(1_670, "µs of our own CPU a like, with all that follows", "make bench ONLY=peer"),
    "worker": Constant(565, "µs of worker CPU an event", "make bench ONLY=workers"),
    "store": Constant(6_100, "µs of CPU of the embedded store a like, at 100 a second", "make bench ONLY=peer"),
    "person": Constant(738_000, "B of documents and index keys a person", "make bench ONLY=storage"),
    "first": Constant(112, "likes a second with p99 ≤ 500 ms, on two cores", "make bench ONLY=peer"),
    "fanout": Constant(1_700, "timelines a second that one post is written to", "make bench ONLY=timelines"),
    "frame": Constant(331, "B of a notification's frame", "python loadtests/scaling.py"),
}
ASSUMED = {
    "busy": Constant(0.5, "of a core is used at most", "so that half of the machines can carry all for a moment"),
    "spare": Constant(0.75, "of a gateway's descriptors are used", "one of four gateways may die"),
    "online": Constant(0.1, "of all people have a socket at once", "a guess; count yours"),
    "events": Constant(0.1, "events a second for each socket", "the aim: a million for ten million"),
    "queue": Constant(10_000, "messages a second of a RabbitMQ cluster of three", "a guess below public benchmarks"),
    "redis": Constant(
        50_000, "commands a second of a Redis master", "half of what one thread does in public benchmarks"
    ),
    "commands": Constant(5, "Redis commands an event", "a push, its acknowledgement's limits, a watched count"),
    "replicas": Constant(3, "copies of each document", "a majority survives a member"),
    "disk": Constant(0.08, "US dollars a GB and month", "list price of a network disk"),
    "sweep": Constant(30, "s between two comparisons of a position", "the default of SWEEP_S"),
}
CORES_A_SHARD = 16
SIZES = {"10 thousand": 10_000, "100 thousand": 100_000, "1 million": 1_000_000, "10 million": 10_000_000}


def _of(name: str) -> float:
    return {**MEASURED, **ASSUMED}[name].value


class Size(NamedTuple):
    """The parts that a number of sockets needs; counts of processes are counts of cores, but of the store."""

    sockets: int

    @property
    def events(self) -> float:
        """Return events a second."""
        return self.sockets * _of("events")

    @property
    def gateways(self) -> int:
        """Return gateways: by their descriptors, or by their CPU where that is more."""
        by_cpu = (self.sockets * _of("idle") + self.events * _of("push")) / 1e6 / _of("busy")
        return math.ceil(max(self.sockets / (_of("descriptors") * _of("spare")), by_cpu))

    @property
    def apis(self) -> int:
        """Return API processes: for what is left of our own CPU without workers and gateways."""
        return self._cores(_of("own") - _of("worker") - _of("push"))

    @property
    def workers(self) -> int:
        """Return worker processes, and partitions of each group at the least."""
        return self._cores(_of("worker"))

    @property
    def store_cores(self) -> int:
        """Return cores of the primaries of the store."""
        return self._cores(_of("store"))

    @property
    def shards(self) -> int:
        """Return shards of the store."""
        return math.ceil(self.store_cores / CORES_A_SHARD)

    @property
    def brokers(self) -> int:
        """Return RabbitMQ clusters, or as many partitions' worth of another log."""
        return math.ceil(self.events / _of("queue"))

    @property
    def redises(self) -> int:
        """Return Redis masters."""
        return math.ceil(self.events * _of("commands") / _of("redis"))

    @property
    def stored_gb(self) -> float:
        """Return GB of documents and index keys, one copy."""
        return self.sockets / _of("online") * _of("person") / 1e9

    @property
    def memory_gb(self) -> float:
        """Return GB of all sessions in gateways."""
        return self.sockets * _of("session") / 1e9

    @property
    def wire_mb_s(self) -> float:
        """Return MB a second of notifications to clients."""
        return self.events * _of("frame") / 1e6

    @property
    def sweep_reads(self) -> float:
        """Return positions that all gateways read in a second."""
        return self.sockets / _of("sweep")

    def _cores(self, us: float) -> int:
        return math.ceil(self.events * us / 1e6 / _of("busy"))

    def dollars(self) -> dict[str, float]:
        """Return US dollars a month of each part: cores with 2 GB at list prices, and disks."""
        core = (PRICES["vCPU, x86-64"].usd + 2 * PRICES["GB of memory, x86-64"].usd) * HOURS
        copies = _of("replicas")
        return {
            "store": self.store_cores * core * copies,
            "disks": self.stored_gb * copies * _of("disk"),
            "API": self.apis * core,
            "workers": self.workers * core,
            "gateways": self.gateways * core,
            "broker": self.brokers * 3 * 4 * core,
            "Redis": self.redises * 2 * core,
            "to the internet": self.wire_mb_s / 1e3 * 3600 * HOURS * PRICES["to the internet"].usd,
        }


def constants() -> str:
    """Return the table of constants."""
    rows = [f"| {each.value:,g} {each.unit} | measured: `{each.source}` |" for each in MEASURED.values()]
    rows += [f"| {each.value:,g} {each.unit} | assumed: {each.source} |" for each in ASSUMED.values()]
    return "\n".join(["| constant | source |", "|---|---|", *rows])


def sizes() -> str:
    """Return the table of sizes."""
    return "\n".join(_rows([Size(sockets) for sockets in SIZES.values()]))


def _rows(columns: list[Size]) -> Iterator[str]:
    yield "| sockets | " + " | ".join(f"{each.sockets:,}" for each in columns) + " |"
    yield "|---|" + "---|" * len(columns)
    shown = {
        "events a second": lambda each: f"{each.events:,.0f}",
        "gateways": lambda each: f"{each.gateways:,}",
        "memory of sessions": lambda each: f"{each.memory_gb:,.2f} GB",
        "API processes": lambda each: f"{each.apis:,}",
        "workers, and partitions of each group": lambda each: f"{each.workers:,}",
        "cores of the store's primaries": lambda each: f"{each.store_cores:,}",
        f"shards of {CORES_A_SHARD} cores, three members each": lambda each: f"{each.shards:,}",
        "documents and index keys, one copy": lambda each: f"{each.stored_gb:,.0f} GB",
        "RabbitMQ clusters": lambda each: f"{each.brokers:,}",
        "Redis masters, a replica each": lambda each: f"{each.redises:,}",
        "notifications to clients": lambda each: f"{each.wire_mb_s:,.1f} MB/s",
        "positions read by sweeps": lambda each: f"{each.sweep_reads:,.0f}/s",
        "US dollars a month": lambda each: f"{sum(each.dollars().values()):,.0f}",
        "of them for each socket": lambda each: f"{sum(each.dollars().values()) / each.sockets:.2f}",
    }
    for name, text in shown.items():
        yield f"| {name} | " + " | ".join(text(each) for each in columns) + " |"


def rewritten(page: str) -> str:
    """Return the page with its tables as they are computed."""
    for name, inside in (("constants", constants()), ("sizes", sizes())):
        before, _, rest = page.partition(f"<!-- computed: {name} -->\n")
        _, _, after = rest.partition("\n<!-- until here -->")
        page = f"{before}<!-- computed: {name} -->\n{inside}\n<!-- until here -->{after}"
    return page


def chart(path: Path) -> None:
    """Draw the share of each part in what a size costs."""
    shares = {}
    for name, sockets in SIZES.items():
        dollars = Size(sockets).dollars()
        some = {each: dollars[each] for each in ("store", "disks", "API", "workers")}
        some["all others"] = sum(dollars.values()) - sum(some.values())
        shares[name] = {each: 100 * usd / sum(dollars.values()) for each, usd in some.items()}
    charts.bars(path, "what a size costs, by part, by its sockets", "% of the dollars", shares)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
    chart(CHART)
