"""A scenario in which everybody likes a post; when all have, its author publishes the next one."""

import gevent
from locust import constant, task

from loadtests.socket_user import SocketUser


class Author(SocketUser):
    """The author whose posts everybody likes."""

    fixed_count = 1
    wait_time = constant(0.2)

    def begin(self) -> None:
        """Register, and publish the first post."""
        super().begin()
        self.publish("like me")

    @task
    def next(self) -> None:
        """Publish another post, when everybody has liked this one."""
        (post_id, _), fans = self.shared.posts[-1], [u for u in self.shared.people.values() if isinstance(u, Fan)]
        if fans and all(post_id in fan.liked for fan in fans) and not self.idle():
            self.publish("like me, too")


class Fan(SocketUser):
    """A person who likes each of these posts."""

    wait_time = constant(0.5)

    @task
    def applaud(self) -> None:
        """Like the newest post, once."""
        if self.shared.posts and self.shared.posts[-1][0] not in self.liked and not self.idle():
            self.like(*self.shared.posts[-1])
        else:
            gevent.sleep(0.1)


USERS = [Author, Fan]
