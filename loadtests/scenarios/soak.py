"""A long scenario of everything that people do: readers, talkers, and talkers who lose their connection."""

from locust import task

from loadtests.scenarios.browse import Browser
from loadtests.scenarios.post import Talker


class Reader(Browser):
    """A reader: one person in three."""

    weight = 1


class Commuter(Talker):
    """A talker who loses the connection now and then."""

    weight = 2

    @task(1)
    def tunnel(self) -> None:
        """Lose the connection without closing it; it comes back by itself."""
        if not self.idle():
            self.lose_connection()


USERS = [Reader, Commuter]
