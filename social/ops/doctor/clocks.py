"""Checks of how far clocks are apart: tokens and due times are compared across machines."""

from datetime import datetime, timedelta

from social.infra import clock
from social.ops.doctor.findings import Finding, ok, problem, warning

NOTICED = timedelta(seconds=1)
HARMFUL = timedelta(seconds=10)  # two machines of which each is so far off are beyond what is allowed, 15 s
REMEDY = "have both machines keep time by NTP (chrony, systemd-timesyncd)"


def compare(server: str, its: datetime, asked_at: datetime) -> Finding:
    """Compare a server's clock with this machine's, read before the request; the answer took some of the difference."""
    answered_at = clock.now()
    apart = max(its - answered_at, asked_at - its, timedelta())
    says = f"this machine and {server} are {apart.total_seconds():.1f} s apart"
    if apart >= HARMFUL:
        return problem("clock", says, REMEDY)
    if apart >= NOTICED:
        return warning("clock", says, REMEDY)
    return ok("clock", f"this machine and {server} agree to {NOTICED.total_seconds():g} s")
