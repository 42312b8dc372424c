"""The user of a load who uses REST only; the user with a socket is built on it."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import orjson
from locust.contrib.fasthttp import FastHttpUser
from locust.exception import StopTest, StopUser

from loadtests import target
from loadtests.run import Run
from loadtests.wire import Problem
from plaza_client.core.retrying import REPEATABLE, renew_after_s
from social.infra import clock

ANSWER_WITHIN_S = 15.0
GIVE_UP_S = 60.0  # of repeating a request
REPEAT_AFTER_S = (0.2, 1.0)  # before a request is repeated, or a lost connection opened again
RENEW_AFTER_S = renew_after_s(600.0)  # access tokens live for ten minutes
REGISTRATION, LOGIN, RENEWAL = "/v1/auth/register", "/v1/auth/login", "/v1/auth/refresh-token"


class RestUser(FastHttpUser):
    """A person with an account, who uses REST only."""

    abstract = True
    connection_timeout = 10.0
    network_timeout = ANSWER_WITHIN_S
    shared: Run  # set by the locustfile for every run

    def __init__(self, environment: Any) -> None:
        self.host = self.host or environment.host or ""  # kept: Locust's page may name another one during the run
        self.realtime = environment.parsed_options.realtime or self.host
        try:
            for url in (self.host, self.realtime):
                target.check(url, environment.allowed)
        except target.Refused as refused:
            raise StopTest(str(refused)) from None
        super().__init__(environment)
        self.username = f"load_{clock.new_id()[-12:]}"
        self.id = ""
        self._access, self._refresh, self._renewed_at = "", "", 0.0

    def on_start(self) -> None:
        """Begin; count a person who cannot as stranded, and stop them."""
        self.shared.acting += 1  # all of it is one action: a run does not settle between two of its writes
        try:
            self.begin()
        except StopTest:
            raise
        except Exception as error:
            self.shared.stranded += 1
            raise StopUser(f"{self.username} could not begin: {error}") from error
        finally:
            self.shared.acting -= 1
        self.shared.began += 1

    def begin(self) -> None:
        """Register the account; log in where an attempt registered it and its answer was lost."""
        login = {"username": self.username, "password": clock.new_id()}
        with self.writing():
            try:
                tokens = self._answer("POST", REGISTRATION, login | {"email": f"{self.username}@example.org"})
            except Problem as problem:
                if problem.status != 409:  # nobody else has this username: it is ours already
                    raise
                tokens = self._answer("POST", LOGIN, login)
        self._keep_tokens(tokens)

    def call(self, method: str, path: str, body: Any = None, *, name: str | None = None) -> Any:
        """Return the answer to a request, which is repeated under one idempotency key until it is answered.

        Raises Problem when it is refused.
        """
        with self.writing(method != "GET" and path != RENEWAL):  # a renewal has no effect that others are shown
            return self._answer(method, path, body, name)

    def _answer(self, method: str, path: str, body: Any = None, name: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if method == "POST":
            headers["Idempotency-Key"] = clock.new_id()
        data = None if body is None else orjson.dumps(body)
        deadline = time.perf_counter() + GIVE_UP_S
        while time.perf_counter() < deadline:
            self._renew_if_due(path)
            if self._access:
                headers["Authorization"] = f"Bearer {self._access}"
            with self.client.request(
                method, path, name=name or path, data=data, headers=headers, catch_response=True
            ) as answer:
                content = _decoded(answer.content)
                if 200 <= answer.status_code < 300:
                    return content
                answer.failure(str(answer.status_code or "no answer"))
            if answer.status_code not in REPEATABLE:
                raise Problem(answer.status_code, content)
            gevent.sleep(_wait_s(answer.headers))
        raise Problem(503, {"code": "never answered"})

    @contextmanager
    def writing(self, does: bool = True) -> Iterator[None]:
        """Count a write as pending until its effect is known; other requests (`does=False`) count as nothing."""
        self.shared.acting += does
        answered = False
        try:
            yield
            answered = True
        except Problem as problem:
            answered = problem.status < 500
            self.shared.failed += 1
            raise
        finally:
            self.shared.acting -= does
            self.shared.unanswered += does and not answered

    def wait_time(self) -> float:
        """Return the seconds between two actions of a person."""
        return random.uniform(0.4, 1.6) * self.environment.parsed_options.pause

    def idle(self) -> bool:
        """Return whether nothing new may begin, because the run settles."""
        if self.shared.quiet:
            gevent.sleep(0.2)
        return self.shared.quiet

    def _keep_tokens(self, tokens: dict[str, Any]) -> None:
        self.id = tokens["user"]["id"]
        self._access, self._refresh = tokens["access_token"], tokens["refresh_token"]
        self._renewed_at = time.monotonic()

    def _renew_if_due(self, path: str) -> None:
        if self._refresh and path != RENEWAL and time.monotonic() > self._renewed_at + RENEW_AFTER_S:
            self._renewed_at = time.monotonic()  # not twice at once
            self._keep_tokens(self.call("POST", RENEWAL, {"refresh_token": self._refresh}))


def _decoded(content: bytes | None) -> Any:
    """Return the decoded JSON; None where the content is not JSON, as the error page of a proxy."""
    try:
        return orjson.loads(content) if content else None
    except orjson.JSONDecodeError:
        return None


def _wait_s(headers: Any) -> float:
    after = headers.get("Retry-After") if headers else None
    return min(10.0, float(after)) if after else random.uniform(*REPEAT_AFTER_S)
