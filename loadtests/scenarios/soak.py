"""Everything that people do, for long: readers, talkers, and tunnels in which they lose their connection."""

from locust import task

from loadtests.scenarios.browse import Browser
from loadtests.scenarios.post import Talker


class Reader(Browser):
    """One in three."""

    weight = 1


class Commuter(Talker):
    """Loses the connection now and then."""

    weight = 2

    @task(1)
    def tunnel(self) -> None:
        """The connection is lost without a goodbye; it comes back by itself."""
        if not self.idle():
            self.lose_connection()


USERS = [Reader, Commuter]
