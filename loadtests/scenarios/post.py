"""People who follow each other, post, comment and like, half over REST and half over their sockets."""

import random

from locust import task

from loadtests.socket_user import SocketUser

FOLLOWS_EACH = 3
RECENT = 50  # posts that are still talked about


class Talker(SocketUser):
    """Does what people do, and is told what others do."""

    def begin(self) -> None:
        """Follow some who are there already."""
        super().begin()
        others = [each for each in self.shared.people.values() if each is not self]
        for other in random.sample(others, min(FOLLOWS_EACH, len(others))):
            self.follow(other)

    @task(2)
    def post(self) -> None:
        """A post."""
        if not self.idle():
            self.publish(f"post by {self.username}")

    @task(3)
    def say(self) -> None:
        """A comment on something recent."""
        if self.shared.posts and not self.idle():
            self.comment(*random.choice(self.shared.posts[-RECENT:]))

    @task(10)
    def applaud(self) -> None:
        """A like of something recent, once."""
        fresh = [each for each in self.shared.posts[-RECENT:] if each[0] not in self.liked]
        if fresh and not self.idle():
            self.like(*random.choice(fresh))


USERS = [Talker]
