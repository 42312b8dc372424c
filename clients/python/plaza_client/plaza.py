"""The client: a person's login, their writes, and live stores of what they see."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Self, TypeVar

import aiohttp

from plaza_client.connection import Connection, Return
from plaza_client.core.comments import CommentsView, Sort
from plaza_client.core.feed import FeedView
from plaza_client.core.notifications import NotificationsView
from plaza_client.core.post import PostView
from plaza_client.core.presence import PresenceView
from plaza_client.core.retrying import Retrying
from plaza_client.core.view import Listed, NotificationList, Single, View
from plaza_client.errors import NotAuthenticated, NotFound
from plaza_client.hub import EventListener, Hub, Rooms
from plaza_client.models import (
    Comment,
    Comments,
    Feed,
    FeedPost,
    Notification,
    Notifications,
    Post,
    Presence,
    PresenceSnapshot,
    Tokens,
    UserRef,
)
from plaza_client.received import Received
from plaza_client.rest import NoteRetry, Rest, segment
from plaza_client.session import Session, State, TokensChanged
from plaza_client.store import Store
from plaza_client.writes import Writes

PAGE = "100"  # the most that a server lists at once

P = TypeVar("P", Notifications, Feed, Comments)


class Disorder(NamedTuple):
    """Events of the stream that came otherwise than the server promises, and were put right here."""

    missed: int
    repeated: int


class Plaza(Writes):
    """A client of one server, for one person at a time. Make it where an event loop runs, and close it at the end."""

    def __init__(
        self,
        url: str,
        *,
        realtime: str | None = None,
        tokens: Tokens | None = None,
        on_tokens: TokensChanged = lambda _: None,
        http: aiohttp.ClientSession | None = None,
        retrying: Retrying | None = None,
        on_retry: NoteRetry = lambda _: None,
    ) -> None:
        """Make a client of the REST API at `url`, and of the gateway at `realtime`, if that is elsewhere.

        `on_tokens` is called with new tokens, and with None after a logout: what it keeps can be given as `tokens`
        the next time. `http` is shared with others and is not closed. `on_retry` hears why a request is repeated.
        """
        self.retrying = retrying or Retrying()
        self._own_http = http is None
        self._http = http or aiohttp.ClientSession()
        self._realtime = (realtime or url).rstrip("/")
        self._note_retry = on_retry
        self._rest = Rest(self._http, url.rstrip("/"), self.retrying, on_retry)
        self._session = Session(self._rest, tokens, on_tokens)
        self._connection: Connection | None = None
        self._hub = Hub(self.connect, self.retrying)
        self._rooms = Rooms(self.send)
        self._stores: dict[tuple[Any, ...], Store[Any]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the stores and the connection; the person stays logged in."""
        self._hub.close()
        self._rooms.close()
        await self._disconnect()
        if self._own_http:
            await self._http.close()

    @property
    def user(self) -> UserRef | None:
        """The person who is logged in."""
        return self._session.tokens.user if self._session.tokens else None

    @property
    def state(self) -> State:
        """`anonymous`, `active`, or `ended`, where the server ended the session; then `reason` says why."""
        return self._session.state

    @property
    def reason(self) -> str | None:
        """The reason for which the server ended the session."""
        return self._session.reason

    @property
    def tokens(self) -> Tokens | None:
        """The tokens of the login, to be kept somewhere safe."""
        return self._session.tokens

    @property
    def returns(self) -> list[Return]:
        """The ways in which the connection came back, each time that it was lost."""
        return self._connection.returns if self._connection else []

    @property
    def disorder(self) -> Disorder:
        """The number of events that the server skipped and repeated since `connect`; nobody else notices either."""
        inbox = self._connection.inbox if self._connection else None
        return Disorder(inbox.missed, inbox.repeated) if inbox else Disorder(0, 0)

    async def register(self, username: str, email: str, password: str, *, device: str | None = None) -> UserRef:
        """Open an account and log in; sent once. Raises PlazaError."""
        return await self._log_in(
            "/v1/auth/register", {"username": username, "email": email, "password": password}, device
        )

    async def login(self, username: str, password: str, *, device: str | None = None) -> UserRef:
        """Log in; sent once. Raises PlazaError."""
        return await self._log_in("/v1/auth/login", {"username": username, "password": password}, device)

    async def logout(self) -> None:
        """End the session, here and then on the server; raises PlazaError where the server did not hear of it."""
        tokens = self._session.tokens
        self._session.end()  # first: a login that follows meanwhile is another session
        await self._disconnect()
        if tokens is not None:
            await self._rest.ask("POST", "/v1/auth/logout", {"refresh_token": tokens.refresh_token})

    async def connect(self) -> None:
        """Open the socket, as the first store does by itself, and wait until it is there; raises NotAuthenticated."""
        if self._connection is None:
            if self._session.state != "active":
                raise NotAuthenticated(401, {"code": self.reason or "invalid_token", "title": "Nobody is logged in"})
            self._connection = Connection(
                self._http,
                self._realtime,
                self._session,
                self._hub,
                retrying=self.retrying,
                note_retry=self._note_retry,
            )
            self._connection.start()
        await self._connection.wait_online()

    def cut(self) -> None:
        """Cut the connection, as a tunnel does; it comes back by itself."""
        if self._connection is not None:
            self._connection.cut()

    async def rest(
        self, method: str, path: str, body: Any = None, *, params: dict[str, str] | None = None, key: str | None = None
    ) -> Any:
        """Return the decoded answer to a REST request, for whatever has no function here; raises PlazaError.

        The request is repeated until it is answered, a POST under one idempotency key.
        """
        return await self._session.ask(method, path, body, params=params, key=key)

    async def send(self, event: str, message: dict[str, Any]) -> Any:
        """Return the answer to a message over the socket, repeated until answered, a write under one key."""
        await self.connect()
        assert self._connection is not None
        return await self._connection.call(event, message)

    def listen(self, listener: EventListener) -> Callable[[], None]:
        """Call back with every event, those of the stream in order and once; return the function that ends that."""
        return self._hub.listen(listener)

    @property
    def notifications(self) -> Store[NotificationList[Notification]]:
        """The store of your notifications, last changed first, and of how many are unread."""

        async def load(pages: int) -> Sequence[Notifications]:
            return await self._pages("/v1/notifications", Notifications, pages)

        return self._store(("notifications",), NotificationsView, load, stream=True)

    @property
    def feed(self) -> Store[Listed[FeedPost]]:
        """The store of your home timeline, newest first."""

        async def load(pages: int) -> Sequence[Feed]:
            return await self._pages("/v1/feed", Feed, pages)

        return self._store(("feed",), FeedView, load)

    def post(self, post_id: str) -> Store[Single[Post]]:
        """Return the store of a post with its live counts; its value is None once it is deleted or hidden."""

        async def load(_: int) -> Post | None:
            try:
                await self.send("post.watch", {"post_id": post_id})
                return Post.model_validate(await self.rest("GET", f"/v1/posts/{segment(post_id)}"))
            except NotFound:
                return None

        return self._store(("post", post_id), lambda: PostView(post_id), load, post_id=post_id)

    def comments(self, post_id: str, *, parent: str | None = None, sort: Sort = "newest") -> Store[Listed[Comment]]:
        """Return the store of the comments under a post, or of the replies to one of them, its `parent`."""
        path = f"/v1/comments/{segment(parent)}/replies" if parent else f"/v1/posts/{segment(post_id)}/comments"

        async def load(pages: int) -> Sequence[Comments]:
            try:
                await self.send("post.watch", {"post_id": post_id})
                return await self._pages(path, Comments, pages, sort=sort)
            except NotFound:
                return []

        key = "comments", post_id, parent, sort
        return self._store(key, lambda: CommentsView(post_id, parent, sort), load, post_id=post_id)

    def presence(self, user_ids: Sequence[str]) -> Store[Listed[Presence]]:
        """Return the store of whether people are online; those whom you may not see are missing in it."""
        ids = tuple(dict.fromkeys(user_ids))

        async def load(_: int) -> PresenceSnapshot:
            return PresenceSnapshot.model_validate(await self.send("presence.watch", {"user_ids": list(ids)}))

        return self._store(("presence", *ids), lambda: PresenceView(ids), load, user_ids=ids)

    def _answered(self, answer: Received) -> None:
        self._hub.take(answer)

    async def _log_in(self, path: str, body: dict[str, str], device: str | None) -> UserRef:
        await self._disconnect()
        body |= {"device": device} if device else {}
        tokens = Tokens.model_validate(await self._rest.ask("POST", path, body, once=True))
        self._stores.clear()  # they may be of somebody else
        self._session.begin(tokens)
        return tokens.user

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.stop()

    def _store(
        self,
        key: tuple[Any, ...],
        view: Callable[[], View[Any]],
        load: Callable[[int], Awaitable[Any]],
        *,
        stream: bool = False,
        post_id: str | None = None,
        user_ids: Sequence[str] = (),
    ) -> Store[Any]:
        if key not in self._stores:
            rooms = [("post", post_id)] if post_id else [("presence", each) for each in user_ids]
            self._stores[key] = Store(self._hub, view(), load, self._rooms.of(rooms), stream=stream)
        return self._stores[key]

    async def _pages(self, path: str, answers: type[P], count: int, **params: str) -> list[P]:
        """Return up to so many pages of a list, from its top."""
        found: list[P] = []
        cursor: dict[str, str] = {}
        while len(found) < count:
            page = answers.model_validate(await self.rest("GET", path, params={"limit": PAGE, **params, **cursor}))
            found.append(page)
            if page.next is None:
                break
            cursor = {"cursor": page.next}
        return found
