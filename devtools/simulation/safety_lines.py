"""Safety lines of the pipeline, without which a simulation must find flaws: mutations of `devtools.mutations`."""

from collections.abc import Iterator, Sequence

from devtools.mutations import MUTATIONS, Mutation
from devtools.simulation.mutated import mutated
from devtools.simulation.run import run

FEW = ("ack-before-the-transaction", "inbox-row-not-written", "outbox-row-left-out")


def chosen(names: Sequence[str]) -> list[Mutation]:
    """Return the mutations with these names."""
    return [each for each in MUTATIONS if each.name in names]


def noticed(first: int, most: int, mutations: Sequence[Mutation]) -> Iterator[tuple[Mutation, int | None]]:
    """Yield each mutation with the number of seeds, from `first` on, until a run with it has a flaw; None for never.

    `most`: how many seeds are tried. A run that is stuck has a flaw.
    """
    for mutation in mutations:
        with mutated(mutation.file, mutation.text, mutation.replacement):
            seeds = range(first, first + most)
            yield mutation, next((seed - first + 1 for seed in seeds if run(seed).flaws), None)
