"""Safety lines of the pipeline, each with the code as it would be without it: a simulation must notice each of them."""

from collections.abc import Iterator
from typing import NamedTuple

from devtools.simulation.mutated import mutated
from devtools.simulation.run import run

MOST_SEEDS = 100  # in which a simulation must notice that a line is missing


class SafetyLine(NamedTuple):
    """A line on which a promise rests: its text, which its file has once, and what is there without it."""

    name: str
    file: str
    text: str
    without: str


LINES = (
    SafetyLine(
        "a message is acked after its effect is durable",
        "workers/runner.py",
        "    started, now, all_happened = time.perf_counter(), clock.now(), [happened for _, happened in readable]\n",
        "    await readable[0][0].ack(*(each for each, _ in readable[1:]))\n"
        "    started, now, all_happened = time.perf_counter(), clock.now(), [happened for _, happened in readable]\n",
    ),
    SafetyLine(
        "an event that comes again is counted once",
        "social/infra/broker/inbox.py",
        "        tx.insert(INBOX, *(InboxRow(_id=row_id, at=now) for row_id in new))\n",
        "",
    ),
    SafetyLine(
        "an event commits together with its write",
        "social/infra/store/transaction.py",
        '        return [*self.writes, *(Write("insert", OUTBOX, row, None) for row in rows)]',
        "        return [*self.writes]",
    ),
)


def noticed(first: int, lines: tuple[SafetyLine, ...] = LINES) -> Iterator[tuple[SafetyLine, int | None]]:
    """Yield each line with the number of seeds, from `first` on, until a run without it has a flaw; None for never."""
    for line in lines:
        with mutated(line.file, line.text, line.without):
            seeds = range(first, first + MOST_SEEDS)
            yield line, next((seed - first + 1 for seed in seeds if run(seed).flaws), None)
