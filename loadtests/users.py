"""The two kinds of users: one over REST, and one with a socket besides."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import orjson
import websocket
from gevent.event import Event
from locust.contrib.fasthttp import FastHttpUser
from locust.exception import StopTest, StopUser

from loadtests import target
from loadtests.run import Run
from loadtests.wire import Gone, Problem, Refusal, Wire
from social.infra import clock

ANSWER_WITHIN_S = 15.0
GIVE_UP_S = 60.0  # asking again for one and the same thing
AGAIN_S = (0.2, 1.0)  # before asking, or connecting, again
RENEW_AFTER_S = 480.0  # of an access token's ten minutes
OF_A_GROUP = ("notification", "notification.updated", "notification.removed")
LATER = (0, 429, 502, 503, 504)  # statuses after which the same is asked again; 0: no answer


class RestUser(FastHttpUser):
    """Somebody with an account, over REST."""

    abstract = True
    connection_timeout = 10.0
    network_timeout = ANSWER_WITHIN_S
    shared: Run  # set by the locustfile for every run

    def __init__(self, environment: Any) -> None:
        self.host = self.host or environment.host or ""  # as it is now: Locust's page may name another meanwhile
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
        """Begin; who cannot is counted, and leaves."""
        try:
            self.begin()
        except StopTest:
            raise
        except Exception as error:
            self.shared.stranded += 1
            raise StopUser(f"{self.username} could not begin: {error}") from error
        self.shared.began += 1

    def begin(self) -> None:
        """Open the account."""
        body = {"username": self.username, "email": f"{self.username}@example.org", "password": clock.new_id()}
        self._take(self.ask("POST", "/v1/auth/register", body))

    def ask(self, method: str, path: str, body: Any = None, *, name: str | None = None) -> Any:
        """One call, again and again under one idempotency key until it is answered; raises Problem for a refusal."""
        with self.writing(method != "GET"):
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
                if answer.status_code not in LATER:
                    raise Problem(answer.status_code, content)
                gevent.sleep(_wait_s(answer.headers))
            raise Problem(503, {"code": "never answered"})

    @contextmanager
    def writing(self, does: bool = True) -> Iterator[None]:
        """A write of which it is not known yet whether it took effect; or what only reads."""
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
        """Seconds between two things somebody does."""
        return random.uniform(0.4, 1.6) * self.environment.parsed_options.pause

    def idle(self) -> bool:
        """Whether nothing new is to begin."""
        if self.shared.quiet:
            gevent.sleep(0.2)
        return self.shared.quiet

    def _take(self, tokens: dict[str, Any]) -> None:
        self.id = tokens["user"]["id"]
        self._access, self._refresh = tokens["access_token"], tokens["refresh_token"]
        self._renewed_at = time.monotonic()

    def _renew_if_due(self, path: str) -> None:
        if self._refresh and path != "/v1/auth/refresh" and time.monotonic() > self._renewed_at + RENEW_AFTER_S:
            self._renewed_at = time.monotonic()  # not twice at once
            self._take(self.ask("POST", "/v1/auth/refresh", {"refresh_token": self._refresh}))


class SocketUser(RestUser):
    """Somebody with an account and a socket, who comes back when the connection is lost and misses nothing."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.followers: set[str] = set()  # with a socket in this run
        self.liked: set[str] = set()
        self.there = False
        self.wire: Wire | None = None
        self._connected = Event()
        self._since = 0.0  # of the connection; 0 for the first one
        self._catching_up: list[tuple[str, Any, str | None]] | None = None
        self._staying: gevent.Greenlet | None = None

    def begin(self) -> None:
        """Open the account and the socket, before anybody knows about them."""
        super().begin()
        self._staying = gevent.spawn(self._stay)
        if not self._connected.wait(GIVE_UP_S):
            raise Problem(503, {"code": "no socket"})
        self.shared.people[self.id] = self

    def on_stop(self) -> None:
        """Close the socket."""
        if self.shared.people.pop(self.id, None) and not self.shared.quiet:
            self.shared.deliveries.left(self.id)
        if self._staying is not None:
            self._staying.kill()
        if self.wire is not None:
            self.wire.close()

    # ---- writes

    def send(self, event: str, message: dict[str, Any]) -> Any:
        """One acked message, again and again under one key until it is answered; raises Problem for a refusal."""
        message = {**message, "idempotency_key": clock.new_id()}
        with self.writing():
            deadline = time.perf_counter() + GIVE_UP_S
            while time.perf_counter() < deadline:
                self._connected.wait(ANSWER_WITHIN_S)
                ack = self._call(event, message)
                if ack is not None:
                    if ack["ok"]:
                        return ack["data"]
                    if ack["problem"]["status"] not in LATER:
                        raise Problem(ack["problem"]["status"], ack["problem"])
                gevent.sleep(random.uniform(*AGAIN_S))
            raise Problem(503, {"code": "never answered"})

    def _call(self, event: str, message: dict[str, Any]) -> Any:
        """An ack, or None where the connection was lost meanwhile."""
        begun, exception, ack = time.perf_counter(), None, None
        try:
            if self.wire is None:
                raise Gone
            ack = self.wire.call(event, message, ANSWER_WITHIN_S)
            if not ack["ok"]:
                exception = Problem(ack["problem"]["status"], ack["problem"])
        except (Gone, gevent.Timeout) as error:
            exception = Exception(f"no ack: {type(error).__name__}")
        self._measured("WS", event, begun, exception)
        return ack

    def follow(self, other: "SocketUser") -> None:
        """Follow somebody."""
        at = time.perf_counter()
        self.ask("PUT", f"/v1/users/{other.username}/follow", name="/v1/users/…/follow")
        self.shared.deliveries.acted("follow", recipient=other.id, target=other.id, at=at)
        other.followers.add(self.id)

    def publish(self, text: str) -> str:
        """A post, by REST or over the socket; its id."""
        at, to = time.perf_counter(), set(self.followers)
        if random.random() < 0.5:
            post = self.ask("POST", "/v1/posts", {"text": text})
        else:
            post = self.send("post.create", {"text": text})
        self.shared.deliveries.published(post["id"], to=to & set(self.shared.people), at=at)
        self.shared.posts.append((post["id"], self))
        return str(post["id"])

    def like(self, post_id: str, author: "SocketUser") -> None:
        """A like, by REST or over the socket."""
        self.liked.add(post_id)
        at = time.perf_counter()
        if random.random() < 0.5:
            self.ask("PUT", f"/v1/posts/{post_id}/like", name="/v1/posts/…/like")
        else:
            self.send("post.like", {"post_id": post_id})
        if author is not self:
            self.shared.deliveries.acted("like", recipient=author.id, target=post_id, at=at)

    def comment(self, post_id: str, author: "SocketUser") -> None:
        """A comment, by REST or over the socket."""
        at = time.perf_counter()
        if random.random() < 0.5:
            self.ask("POST", f"/v1/posts/{post_id}/comments", {"text": "well said"}, name="/v1/posts/…/comments")
        else:
            self.send("comment.create", {"post_id": post_id, "text": "well said"})
        if author is not self:
            self.shared.deliveries.acted("comment", recipient=author.id, target=post_id, at=at)

    # ---- the connection

    def lose_connection(self) -> None:
        """As a train does in a tunnel."""
        if self.wire is not None:
            self.wire.cut()

    def new_wire(self) -> Wire:
        """Not connected yet."""
        return Wire(self.realtime, self._heard)

    def _stay(self) -> None:
        """Connect, and again whenever the connection is lost."""
        pid, lost_at = "", 0.0
        while True:
            wire, begun, exception = self.new_wire(), time.perf_counter(), None
            auth = {"token": self._access}
            if pid:
                auth |= {"pid": pid, "offset": self.shared.deliveries.offset(self.id)}
            self._catching_up = [] if pid else None  # until it is known whether the stream goes on
            try:
                wire.open(auth, ANSWER_WITHIN_S)
            except (Refusal, Gone, OSError, gevent.Timeout, websocket.WebSocketException) as error:
                exception = error if isinstance(error, Refusal) else Exception(type(error).__name__)
            self._measured("WS", "connect again" if pid else "connect", begun, exception)
            if exception is None:
                self.wire = wire
                self._welcome(pid, lost_at)
                pid = wire.pid
                self._live(wire)
                lost_at = time.perf_counter()
                self.there = False
                self._connected.clear()
            else:
                wire.cut()
                if isinstance(exception, Refusal) and exception.problem.get("code") == "token_expired":
                    self._renewed_at = 0.0
                    self._renew_if_due("")
            gevent.sleep(random.uniform(*AGAIN_S))

    def _welcome(self, pid: str, lost_at: float) -> None:
        """Connected: for the first time, or back, and then what was missed is caught up with."""
        assert self.wire is not None
        now = time.perf_counter()
        if pid:
            self._since = now
            went_on = self.wire.pid == pid
            if not went_on:
                self._sync()
            held, self._catching_up = self._catching_up or [], None
            for each in held:
                self._take_event(*each, overlaps=not went_on)
            self.shared.resumed.append((now - lost_at, went_on))
        self.there = True
        self._connected.set()
        if pid:
            gevent.spawn(self._fetch_timeline)

    def _live(self, wire: Wire) -> None:
        """Until the connection is lost; its login is renewed meanwhile."""
        while not wire.ended.wait(max(1.0, self._renewed_at + RENEW_AFTER_S + 1 - time.monotonic())):
            self._renew_if_due("")
            self._call("session.renew", {"token": self._access})

    def _sync(self) -> None:
        """What was missed where the server could not go on by itself; pushes are held meanwhile."""
        after = self.shared.deliveries.offset(self.id)
        if after is None:
            return
        ack = self._call("sync", {"after": after})
        if not ack or not ack["ok"]:
            return
        for each in ack["data"]["events"]:
            self._take_event(each["event"], each["data"], each["offset"], overlaps=True)
        if not ack["data"]["recovered"]:
            page = self.ask("GET", "/v1/notifications?limit=100", name="/v1/notifications")
            self.shared.deliveries.began_anew(self.id, page["offset"])
            for group in page["items"]:
                self._show(group)

    def _fetch_timeline(self) -> None:
        """What official clients do when they are back: posts came up meanwhile that nobody will push again."""
        for post in self.ask("GET", "/v1/feed?limit=20", name="/v1/feed (back)")["items"]:
            self.shared.deliveries.found_post(self.id, post["id"], at=time.perf_counter())

    # ---- what is heard

    def _heard(self, event: str, data: Any, offset: str | None) -> None:
        if self._catching_up is not None:
            self._catching_up.append((event, data, offset))
        else:
            self._take_event(event, data, offset)

    def _take_event(self, event: str, data: Any, offset: str | None, *, overlaps: bool = False) -> None:
        """A stream event or a hint; `overlaps`: what was read and what was pushed may be the same."""
        deliveries = self.shared.deliveries
        if event == "feed.post":
            deliveries.shown_post(self.id, data["id"], at=time.perf_counter(), since=self._since)
        if offset is None:
            return
        if overlaps and _reached(deliveries.offset(self.id), offset):
            return
        if not deliveries.moved(self.id, offset) or event not in OF_A_GROUP:
            return
        deliveries.numbered(self.id, data["id"], data["rev"])
        if event != "notification.removed":
            self._show(data)

    def _show(self, group: dict[str, Any]) -> None:
        kind, target_id = group["type"], group["target"]["id"]
        self.shared.deliveries.notified(
            self.id, kind, target_id, group["count"], at=time.perf_counter(), since=self._since
        )

    def _measured(self, kind: str, name: str, begun: float, exception: Exception | None) -> None:
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=1000 * (time.perf_counter() - begun),
            response_length=0,
            exception=exception,
            context={},
        )


def _reached(here: str | None, offset: str) -> bool:
    """Whether somebody who is here has been there."""
    if here is None:
        return False
    (epoch, _, at), (other, _, seq) = here.rpartition("."), offset.rpartition(".")
    return epoch == other and int(seq) <= int(at)


def _decoded(content: bytes | None) -> Any:
    """JSON; None of what is none, as a proxy's page of an error."""
    try:
        return orjson.loads(content) if content else None
    except orjson.JSONDecodeError:
        return None


def _wait_s(headers: Any) -> float:
    after = headers.get("Retry-After") if headers else None
    return min(10.0, float(after)) if after else random.uniform(*AGAIN_S)
