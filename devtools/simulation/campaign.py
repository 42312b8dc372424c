"""A campaign: runs of many seeds, and what they found; its state is a file, from which it goes on."""

import gc
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devtools.simulation.replaced import silent
from devtools.simulation.run import Outcome, run

KEEP_EVERY = 100
COLLECT_EVERY = 25  # runs: what they leave behind is in cycles


@dataclass
class Campaign:
    """The runs so far: those of the seeds from `first` to before `next`."""

    first: int
    next: int
    acknowledged: int = 0
    notifications: int = 0
    crashes: int = 0
    steps: int = 0
    virtual_s: float = 0.0
    cpu_s: float = 0.0
    failed: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, file: Path | None, first: int) -> "Campaign":
        """Return the campaign that a file keeps, or a new one."""
        if file is not None and file.exists():
            return cls(**json.loads(file.read_text()))
        return cls(first, first)

    @property
    def runs(self) -> int:
        """The number of seeds that were run."""
        return self.next - self.first

    def add(self, outcome: Outcome, cpu_s: float) -> None:
        """Count a run."""
        self.next = outcome.seed + 1
        self.acknowledged += outcome.acknowledged
        self.notifications += outcome.notifications
        self.crashes += outcome.crashes
        self.steps += outcome.steps
        self.virtual_s += outcome.virtual_s
        self.cpu_s += cpu_s
        if outcome.flaws:
            self.failed.append(outcome.seed)

    def keep(self, file: Path | None) -> None:
        """Write the campaign to its file, which is whole at any moment."""
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.write_text(json.dumps(asdict(self), indent=1) + "\n")
            new.replace(file)

    def __str__(self) -> str:
        return (
            f"{self.runs:,} seeds, {len(self.failed)} with a flaw; {self.acknowledged:,} acknowledged writes, "
            f"{self.notifications:,} pushed notifications, {self.crashes:,} crashes, {self.steps:,} steps, "
            f"{self.virtual_s / 3600:,.1f} simulated hours in {self.cpu_s:,.0f} s of a processor"
        )


def carry_on(
    campaign: Campaign, until: int, file: Path | None, say: Callable[[str], None], *, ends_at_flaw: bool = False
) -> None:
    """Run the seeds up to before `until`, or up to the first that has a flaw, and say each that has one."""
    gc.collect()
    gc.freeze()  # the modules: a collection looks at what runs have left behind alone
    try:
        with silent():
            while campaign.next < until and not (ends_at_flaw and campaign.failed):
                began = time.process_time()
                outcome = run(campaign.next)
                if campaign.next % COLLECT_EVERY == 0:
                    gc.collect()
                campaign.add(outcome, time.process_time() - began)
                if outcome.flaws:
                    say(told(outcome))
                if campaign.runs % KEEP_EVERY == 0:
                    campaign.keep(file)
    finally:
        gc.unfreeze()
        campaign.keep(file)


def told(outcome: Outcome) -> str:
    """Return a run as text: its faults in their order, its flaws, and how to run it again."""
    lines = [f"seed {outcome.seed}: {len(outcome.flaws)} flaws after {outcome.steps:,} steps"]
    lines += [f"  fault: {each}" for each in outcome.schedule]
    lines += [f"  flaw: {each}" for each in outcome.flaws]
    lines += [f"  {outcome.virtual_s:.3f} simulated seconds, order of steps {outcome.digest & (1 << 64) - 1:016x}"]
    return "\n".join([*lines, f"  run it again: make simulate SEEDS=1 SEED={outcome.seed}"])
