"""Metrics of MongoDB's commands and connections. The driver calls these from its threads."""

from functools import cache

from prometheus_client import Histogram
from pymongo import monitoring

from social.infra.observe import metrics


@cache
def _seconds(command: str) -> Histogram:
    """Return the series of a command, cached: there are few, used thousands of times a second."""
    return metrics.STORE_SECONDS.labels(command)


class Commands(monitoring.CommandListener):
    """Measures every command by its name, which the code chooses and no client."""

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Do nothing: the end of a command reports its duration."""

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Observe the duration of a command, including the network."""
        _seconds(event.command_name).observe(event.duration_micros / 1e6)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Observe the duration of a command that was refused or lost, and count it."""
        _seconds(event.command_name).observe(event.duration_micros / 1e6)
        metrics.STORE_FAILURES.labels(event.command_name).inc()


class Pool(monitoring.ConnectionPoolListener):
    """Counts connections, and how many of them are in use."""

    def connection_created(self, event: monitoring.ConnectionCreatedEvent) -> None:
        metrics.STORE_CONNECTIONS.inc()

    def connection_closed(self, event: monitoring.ConnectionClosedEvent) -> None:
        metrics.STORE_CONNECTIONS.dec()

    def connection_checked_out(self, event: monitoring.ConnectionCheckedOutEvent) -> None:
        metrics.STORE_IN_USE.inc()

    def connection_checked_in(self, event: monitoring.ConnectionCheckedInEvent) -> None:
        metrics.STORE_IN_USE.dec()

    def connection_check_out_started(self, event: monitoring.ConnectionCheckOutStartedEvent) -> None: ...

    def connection_check_out_failed(self, event: monitoring.ConnectionCheckOutFailedEvent) -> None: ...

    def connection_ready(self, event: monitoring.ConnectionReadyEvent) -> None: ...

    def pool_created(self, event: monitoring.PoolCreatedEvent) -> None: ...

    def pool_ready(self, event: monitoring.PoolReadyEvent) -> None: ...

    def pool_cleared(self, event: monitoring.PoolClearedEvent) -> None: ...

    def pool_closed(self, event: monitoring.PoolClosedEvent) -> None: ...


LISTENERS = (Commands(), Pool())
