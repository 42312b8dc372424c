"""The user of a load who has a socket, acts over it or by REST, and keeps account of everything it receives."""

import random
import time
from typing import Any

import gevent
import websocket
from gevent.event import Event

from loadtests.person import Person
from loadtests.rest_user import ANSWER_WITHIN_S, GIVE_UP_S, RENEW_AFTER_S, REPEAT_AFTER_S, RestUser
from loadtests.wire import Gone, Problem, Refusal, Wire
from plaza_client.core.retrying import REPEATABLE
from plaza_client.core.stream import Position
from social.infra import clock

OF_A_GROUP = ("notification", "notification.updated", "notification.removed")


class SocketUser(RestUser):
    """A person with an account and a socket, who connects again when the connection is lost and misses nothing."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.followers: set[str] = set()  # ids of those with a socket in this run
        self.liked: set[str] = set()
        self.there = False
        self.wire: Wire | None = None
        self._connected = Event()
        self._since = 0.0  # when the connection was opened; 0 for the first connection
        self._catching_up: list[tuple[str, Any, str | None]] | None = None
        self._connection: gevent.Greenlet | None = None

    def begin(self) -> None:
        """Register the account and open the socket, before other users know about this one."""
        super().begin()
        self._connection = gevent.spawn(self._stay_connected)
        if not self._connected.wait(GIVE_UP_S):
            raise Problem(503, {"code": "no socket"})
        self.shared.people[self.id] = self

    def on_stop(self) -> None:
        """Close the socket."""
        if self.shared.people.pop(self.id, None) and not self.shared.quiet:
            self.shared.deliveries.left(self.id)
        if self._connection is not None:
            self._connection.kill()
        if self.wire is not None:
            self.wire.close()

    def send(self, event: str, message: dict[str, Any]) -> Any:
        """Return the answer to a message, which is repeated under one idempotency key until it is acknowledged.

        Raises Problem when it is refused.
        """
        message = {**message, "idempotency_key": clock.new_id()}
        with self.writing():
            deadline = time.perf_counter() + GIVE_UP_S
            while time.perf_counter() < deadline:
                self._connected.wait(ANSWER_WITHIN_S)
                ack = self._send_once(event, message)
                if ack is not None:
                    if ack["ok"]:
                        return ack["data"]
                    if ack["problem"]["status"] not in REPEATABLE:
                        raise Problem(ack["problem"]["status"], ack["problem"])
                gevent.sleep(random.uniform(*REPEAT_AFTER_S))
            raise Problem(503, {"code": "never answered"})

    def _send_once(self, event: str, message: dict[str, Any]) -> Any:
        """Return the ack of a message; None where the connection was lost before it came."""
        begun, exception, ack = time.perf_counter(), None, None
        try:
            if self.wire is None:
                raise Gone
            ack = self.wire.call(event, message, ANSWER_WITHIN_S)
            if not ack["ok"]:
                exception = Problem(ack["problem"]["status"], ack["problem"])
        except (Gone, gevent.Timeout) as error:
            exception = Exception(f"no ack: {type(error).__name__}")
        self._report("WS", event, begun, exception)
        return ack

    def follow(self, other: Person) -> None:
        """Follow another person."""
        at = time.perf_counter()
        self.call("PUT", f"/v1/users/{other.username}/follow", name="/v1/users/…/follow")
        self.shared.deliveries.acted("follow", recipient=other.id, target=other.id, at=at)
        other.followers.add(self.id)

    def publish(self, text: str) -> str:
        """Publish a post by REST or over the socket; return its id."""
        at, to = time.perf_counter(), set(self.followers)
        if random.random() < 0.5:
            post = self.call("POST", "/v1/posts", {"text": text})
        else:
            post = self.send("post.create", {"text": text})
        self.shared.deliveries.published(post["id"], to=to & set(self.shared.people), at=at)
        self.shared.posts.append((post["id"], self))
        return str(post["id"])

    def like(self, post_id: str, author: Person) -> None:
        """Like a post by REST or over the socket."""
        self.liked.add(post_id)
        at = time.perf_counter()
        if random.random() < 0.5:
            self.call("PUT", f"/v1/posts/{post_id}/like", name="/v1/posts/…/like")
        else:
            self.send("post.like", {"post_id": post_id})
        if author is not self:
            self.shared.deliveries.acted("like", recipient=author.id, target=post_id, at=at)

    def comment(self, post_id: str, author: Person) -> None:
        """Comment on a post by REST or over the socket."""
        at = time.perf_counter()
        if random.random() < 0.5:
            self.call("POST", f"/v1/posts/{post_id}/comments", {"text": "well said"}, name="/v1/posts/…/comments")
        else:
            self.send("comment.create", {"post_id": post_id, "text": "well said"})
        if author is not self:
            self.shared.deliveries.acted("comment", recipient=author.id, target=post_id, at=at)

    def lose_connection(self) -> None:
        """Lose the connection without closing it, as in a tunnel."""
        if self.wire is not None:
            self.wire.cut()

    def new_wire(self) -> Wire:
        """Return a connection that is not open yet."""
        return Wire(self.realtime, self._receive)

    def _stay_connected(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        pid, lost_at = "", 0.0
        while True:
            wire, begun, exception = self.new_wire(), time.perf_counter(), None
            auth = {"token": self._access}
            if pid:
                auth |= {"pid": pid, "offset": self.shared.deliveries.offset(self.id)}
            self._catching_up = [] if pid else None  # events are held until it is known whether the stream goes on
            try:
                wire.open(auth, ANSWER_WITHIN_S)
            except (Refusal, Gone, OSError, gevent.Timeout, websocket.WebSocketException) as error:
                exception = error if isinstance(error, Refusal) else Exception(type(error).__name__)
            self._report("WS", "connect again" if pid else "connect", begun, exception)
            if exception is None:
                self.wire = wire
                self._opened(pid, lost_at)
                pid = wire.pid
                self._until_lost(wire)
                lost_at = time.perf_counter()
                self.there = False
                self._connected.clear()
            else:
                wire.cut()
                if isinstance(exception, Refusal) and exception.problem.get("code") == "token_expired":
                    self._renewed_at = 0.0
                    self._renew_if_due("")
            gevent.sleep(random.uniform(*REPEAT_AFTER_S))

    def _opened(self, pid: str, lost_at: float) -> None:
        """Note that the connection is open; after an earlier one was lost, catch up with what was missed."""
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

    def _until_lost(self, wire: Wire) -> None:
        """Wait until the connection is lost; renew its login meanwhile."""
        while not wire.ended.wait(max(1.0, self._renewed_at + RENEW_AFTER_S + 1 - time.monotonic())):
            self._renew_if_due("")
            self._send_once("session.renew", {"token": self._access})

    def _sync(self) -> None:
        """Fetch what was missed where the server did not resume the stream; pushes are held meanwhile."""
        after = self.shared.deliveries.offset(self.id)
        if after is None:
            return
        ack = self._send_once("sync", {"after": after})
        if not ack or not ack["ok"]:
            return
        for each in ack["data"]["events"]:
            self._take_event(each["event"], each["data"], each["offset"], overlaps=True)
        if not ack["data"]["recovered"]:
            page = self.call("GET", "/v1/notifications?limit=100", name="/v1/notifications")
            self.shared.deliveries.restarted(self.id, page["offset"])
            for group in page["items"]:
                self._show(group)

    def _fetch_timeline(self) -> None:
        """Fetch the timeline, as official clients do after a lost connection: missed posts are not pushed again."""
        for post in self.call("GET", "/v1/feed?limit=20", name="/v1/feed (back)")["items"]:
            self.shared.deliveries.found_post(self.id, post["id"], at=time.perf_counter())

    def _receive(self, event: str, data: Any, offset: str | None) -> None:
        if self._catching_up is not None:
            self._catching_up.append((event, data, offset))
        else:
            self._take_event(event, data, offset)

    def _take_event(self, event: str, data: Any, offset: str | None, *, overlaps: bool = False) -> None:
        """Account for a stream event or a hint; `overlaps`: an event may have been both read and pushed."""
        deliveries = self.shared.deliveries
        if event == "feed.post":
            deliveries.shown_post(self.id, data["id"], at=time.perf_counter(), since=self._since)
        if offset is None:
            return
        position = deliveries.offset(self.id)
        if overlaps and position and Position.parse(position).reaches(offset):
            return
        if not deliveries.advanced(self.id, offset) or event not in OF_A_GROUP:
            return
        deliveries.numbered(self.id, data["id"], data["rev"])
        if event != "notification.removed":
            self._show(data)

    def _show(self, group: dict[str, Any]) -> None:
        kind, target_id = group["type"], group["target"]["id"]
        self.shared.deliveries.notified(
            self.id, kind, target_id, group["count"], at=time.perf_counter(), since=self._since
        )

    def _report(self, kind: str, name: str, begun: float, exception: Exception | None) -> None:
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=1000 * (time.perf_counter() - begun),
            response_length=0,
            exception=exception,
            context={},
        )
