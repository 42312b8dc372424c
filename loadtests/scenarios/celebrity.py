"""Somebody with 10,000 followers posts; some of these have a socket open and are told, the last of all."""

import random

import gevent
from locust import constant, task

from loadtests import behind
from loadtests.socket_user import SocketUser

REST_S = 3.0  # between the arrival of one post and the next


class Celebrity(SocketUser):
    """Posts, and again when everybody has seen it."""

    fixed_count = 1
    wait_time = constant(0.5)

    def begin(self) -> None:
        """Followers as they are after long, without events; those of this run come by themselves."""
        super().begin()
        options = self.environment.parsed_options
        try:
            behind.seed_followers(self.username, options.followers - self.environment.runner.target_user_count + 1)
        except behind.NotOurs as error:
            self.shared.give_up(str(error))
        self.shared.celebrity = self

    @task
    def post(self) -> None:
        """One post to all of them, when those of this run are there."""
        everybody = len(self.followers) >= self.environment.runner.target_user_count - 1
        if everybody and not self.shared.deliveries.missing().get("post") and not self.idle():
            gevent.sleep(REST_S)
            self.publish("hello everybody")


class Follower(SocketUser):
    """Follows the celebrity; likes some of what they hear."""

    def begin(self) -> None:
        """An account, a socket, and whom to listen to."""
        super().begin()
        while self.shared.celebrity is None:
            gevent.sleep(0.2)
        self.follow(self.shared.celebrity)

    @task
    def applaud(self) -> None:
        """A like of something recent, by one in five."""
        fresh = [each for each in self.shared.posts[-3:] if each[0] not in self.liked]
        if fresh and random.random() < 0.2 and not self.idle():
            self.like(*random.choice(fresh))


USERS = [Celebrity, Follower]
