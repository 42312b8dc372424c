"""A scenario of readers: timelines, posts, profiles, notifications, and a like now and then."""

import random

from locust import task

from loadtests.rest_user import RestUser


class Browser(RestUser):
    """A person who reads what others wrote, and sometimes writes a post, so that there is something to read."""

    def begin(self) -> None:
        """Register, follow some people, and publish a first post."""
        super().begin()
        others = self.shared.names[-50:]
        for name in random.sample(others, min(3, len(others))):
            self.call("PUT", f"/v1/users/{name}/follow", name="/v1/users/…/follow")
        self.shared.names.append(self.username)
        self.post()

    @task(10)
    def home(self) -> None:
        """Read the home timeline."""
        self.call("GET", "/v1/feed?limit=20", name="/v1/feed")

    @task(6)
    def read_post(self) -> None:
        """Read a post with its comments."""
        if self.shared.read:
            post_id = random.choice(self.shared.read)
            self.call("GET", f"/v1/posts/{post_id}", name="/v1/posts/…")
            self.call("GET", f"/v1/posts/{post_id}/comments?limit=20", name="/v1/posts/…/comments")

    @task(4)
    def profile(self) -> None:
        """Read a person's profile and posts."""
        name = random.choice(self.shared.names)
        self.call("GET", f"/v1/users/{name}", name="/v1/users/…")
        self.call("GET", f"/v1/users/{name}/posts?limit=20", name="/v1/users/…/posts")

    @task(3)
    def notifications(self) -> None:
        """Read the notifications."""
        self.call("GET", "/v1/notifications?limit=20", name="/v1/notifications")

    @task(2)
    def like(self) -> None:
        """Like a post."""
        if self.shared.read and not self.idle():
            self.call("PUT", f"/v1/posts/{random.choice(self.shared.read)}/like", name="/v1/posts/…/like")

    @task(1)
    def post(self) -> None:
        """Publish a post."""
        if not self.idle():
            self.shared.read.append(self.call("POST", "/v1/posts", {"text": f"read me, says {self.username}"})["id"])


USERS = [Browser]
