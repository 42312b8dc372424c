"""A scenario of people who follow each other, post, comment and like, half over REST and half over their sockets."""

import random

from locust import task

from loadtests.socket_user import SocketUser

FOLLOWS_EACH = 3
RECENT = 50  # posts that still get likes and comments


class Talker(SocketUser):
    """A person who posts, comments and likes, and is notified of what others do."""

    def begin(self) -> None:
        """Follow some people who are there already."""
        super().begin()
        others = [each for each in self.shared.people.values() if each is not self]
        for other in random.sample(others, min(FOLLOWS_EACH, len(others))):
            self.follow(other)

    @task(2)
    def post(self) -> None:
        """Publish a post."""
        if not self.idle():
            self.publish(f"post by {self.username}")

    @task(3)
    def reply(self) -> None:
        """Comment on a recent post."""
        if self.shared.posts and not self.idle():
            self.comment(*random.choice(self.shared.posts[-RECENT:]))

    @task(10)
    def applaud(self) -> None:
        """Like a recent post, once."""
        fresh = [each for each in self.shared.posts[-RECENT:] if each[0] not in self.liked]
        if fresh and not self.idle():
            self.like(*random.choice(fresh))


USERS = [Talker]
