"""A scenario of a person with 10,000 followers who posts; those with sockets are served last."""

import random

import gevent
from locust import constant, task

from loadtests import own_system
from loadtests.socket_user import SocketUser

REST_S = 3.0  # from the arrival of a post to the next one


class Celebrity(SocketUser):
    """A person with many followers, who posts again when every follower with a socket has the post."""

    fixed_count = 1
    wait_time = constant(0.5)

    def begin(self) -> None:
        """Get followers as they are after a long time, without events; the followers of this run come by themselves."""
        super().begin()
        options = self.environment.parsed_options
        try:
            own_system.seed_followers(self.username, options.followers - self.environment.runner.target_user_count + 1)
        except own_system.NoOwnSystem as error:
            self.shared.give_up(str(error))
        self.shared.celebrity = self

    @task
    def post(self) -> None:
        """Publish a post to all followers, when those of this run are there."""
        everybody = len(self.followers) >= self.environment.runner.target_user_count - 1
        if everybody and not self.shared.deliveries.missing().get("post") and not self.idle():
            gevent.sleep(REST_S)
            self.publish("hello everybody")


class Follower(SocketUser):
    """A follower of the celebrity, who likes some posts."""

    def begin(self) -> None:
        """Register, open a socket, and follow the celebrity."""
        super().begin()
        while self.shared.celebrity is None:
            gevent.sleep(0.2)
        self.follow(self.shared.celebrity)

    @task
    def applaud(self) -> None:
        """Like a recent post, one time in five."""
        fresh = [each for each in self.shared.posts[-3:] if each[0] not in self.liked]
        if fresh and random.random() < 0.2 and not self.idle():
            self.like(*random.choice(fresh))


USERS = [Celebrity, Follower]
