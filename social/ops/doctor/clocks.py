"""How far clocks are apart: tokens, and what is due, compare times of several machines."""

from datetime import datetime, timedelta

from social.infra import clock
from social.ops.doctor.findings import Finding, ok, problem, warning

NOTICED = timedelta(seconds=1)
HARMFUL = timedelta(seconds=10)  # two machines of which each is so far off are beyond what is allowed, 15 s
MEND = "have both machines keep time by NTP (chrony, systemd-timesyncd)"


def compare(server: str, its: datetime, asked_at: datetime) -> Finding:
    """A server's clock against this machine's, which was read before it was asked; the answer took some of the rest."""
    answered_at = clock.now()
    apart = max(its - answered_at, asked_at - its, timedelta())
    says = f"this machine and {server} are {apart.total_seconds():.1f} s apart"
    if apart >= HARMFUL:
        return problem("clock", says, MEND)
    if apart >= NOTICED:
        return warning("clock", says, MEND)
    return ok("clock", f"this machine and {server} agree to {NOTICED.total_seconds():g} s")
