"""People who use Plaza over HTTP, as an app would, and see what it shows them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
from multidict import CIMultiDictProxy
from pydantic import BaseModel

from social.contracts.codec import decode, encode
from social.contracts.comments import Comment, CommentLikeState, Comments
from social.contracts.messages import SyncAnswer
from social.contracts.notifications import Notification, Notifications, Unread
from social.contracts.people import FollowState, Me, People, Profile, Relationship, Tokens
from social.contracts.posts import Feed, LikeState, Post, Posts
from social.contracts.problems import ProblemBody

M = TypeVar("M", bound=BaseModel)

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Answer:
    """An answer of the API."""

    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes

    @property
    def body(self) -> Any:
        """Return the decoded JSON."""
        return decode(self.raw)

    def ok(self, model: type[M], status: int = 200) -> M:
        """Return the body of a success, with every field of its contract and no other."""
        assert self.status == status, self
        assert self.headers["Content-Type"] == "application/json"
        answer = model.model_validate(self.body)
        assert set(self.body) == set(model.model_fields), self.body
        return answer

    def refused(self, status: int, code: str) -> ProblemBody:
        """Return the problem of a refusal, which has this status and this stable code."""
        assert (self.status, self.body.get("code")) == (status, code), self
        assert self.headers["Content-Type"] == "application/problem+json"
        problem = ProblemBody.model_validate(self.body)
        assert problem.status == status
        assert problem.title
        assert problem.request_id == self.headers["X-Request-ID"]
        return problem

    def wrong_fields(self) -> dict[str, str]:
        """Return pointer and code of each field that a 422 names."""
        problem = self.refused(422, "validation_failed")
        return {each.pointer: each.code for each in problem.errors or []}


class Door:
    """The address of an API, with a client."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        data: Any = None,
        token: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; `body` is sent as JSON, `data` as it is."""
        said = dict(headers or {})
        if token is not None:
            said["Authorization"] = f"Bearer {token}"
        if key is not None:
            said["Idempotency-Key"] = key
        if body is not None:
            said.setdefault("Content-Type", "application/json")
            data = encode(body)
        async with self.session.request(
            method, self.url + path, data=data, headers=said, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def register(self, username: str, *, password: str = PASSWORD) -> "Person":
        """Register an account."""
        ask = {"username": username, "email": f"{username}@example.org", "password": password}
        answer = await self.ask("POST", "/v1/auth/register", ask)
        return Person(self, answer.ok(Tokens, 201), password)


class Person:
    """A person with an account and an open session."""

    def __init__(self, door: Door, tokens: Tokens, password: str = PASSWORD) -> None:
        self.door = door
        self.tokens = tokens
        self.id = tokens.user.id
        self.username = tokens.user.username
        self.email = f"{self.username}@example.org"
        self.password = password

    def __repr__(self) -> str:
        return self.username

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """Send a request in this session."""
        return await self.door.ask(method, path, body, **{"token": self.tokens.access_token, **more})

    async def publish(self, text: str, **more: Any) -> Post:
        """Write a post."""
        return (await self.ask("POST", "/v1/posts", {"text": text}, **more)).ok(Post, 201)

    async def delete(self, post: Post) -> None:
        """Delete one's own post."""
        assert (await self.ask("DELETE", f"/v1/posts/{post.id}")).status == 204

    async def see(self, post: Post) -> Post:
        """Read a post."""
        return (await self.ask("GET", f"/v1/posts/{post.id}")).ok(Post)

    async def like(self, post: Post) -> LikeState:
        """Like a post."""
        return (await self.ask("PUT", f"/v1/posts/{post.id}/like")).ok(LikeState)

    async def unlike(self, post: Post) -> LikeState:
        """Unlike a post."""
        return (await self.ask("DELETE", f"/v1/posts/{post.id}/like")).ok(LikeState)

    async def comment(self, post: Post, text: str, **more: Any) -> Comment:
        """Comment on a post."""
        return (await self.ask("POST", f"/v1/posts/{post.id}/comments", {"text": text}, **more)).ok(Comment, 201)

    async def comments(self, post: Post, query: str = "") -> Comments:
        """Return a page of a post's comments."""
        return (await self.ask("GET", f"/v1/posts/{post.id}/comments{query}")).ok(Comments)

    async def reply(self, to: Comment, text: str, **more: Any) -> Comment:
        """Reply to a comment."""
        body = {"text": text, "parent_id": to.id}
        return (await self.ask("POST", f"/v1/posts/{to.post_id}/comments", body, **more)).ok(Comment, 201)

    async def replies(self, to: Comment, query: str = "") -> Comments:
        """Return a page of the replies to a comment."""
        return (await self.ask("GET", f"/v1/comments/{to.id}/replies{query}")).ok(Comments)

    async def read_comment(self, comment: Comment) -> Comment:
        """Read a comment."""
        return (await self.ask("GET", f"/v1/comments/{comment.id}")).ok(Comment)

    async def delete_comment(self, comment: Comment) -> None:
        """Delete a comment, one's own or one under one's own post."""
        assert (await self.ask("DELETE", f"/v1/comments/{comment.id}")).status == 204

    async def like_comment(self, comment: Comment) -> CommentLikeState:
        """Like a comment."""
        return (await self.ask("PUT", f"/v1/comments/{comment.id}/like")).ok(CommentLikeState)

    async def unlike_comment(self, comment: Comment) -> CommentLikeState:
        """Unlike a comment."""
        return (await self.ask("DELETE", f"/v1/comments/{comment.id}/like")).ok(CommentLikeState)

    async def follow(self, whom: "Person") -> FollowState:
        """Follow another person."""
        return (await self.ask("PUT", f"/v1/users/{whom.username}/follow")).ok(FollowState)

    async def unfollow(self, whom: "Person") -> FollowState:
        """Unfollow another person."""
        return (await self.ask("DELETE", f"/v1/users/{whom.username}/follow")).ok(FollowState)

    async def to(self, method: str, whom: "Person", what: str) -> Relationship:
        """Change the relationship to another person: `block`, `mute`."""
        return (await self.ask(method, f"/v1/users/{whom.username}/{what}")).ok(Relationship)

    async def block(self, whom: "Person") -> Relationship:
        """Block another person."""
        return await self.to("PUT", whom, "block")

    async def unblock(self, whom: "Person") -> Relationship:
        """Unblock another person."""
        return await self.to("DELETE", whom, "block")

    async def mute(self, whom: "Person") -> Relationship:
        """Mute another person."""
        return await self.to("PUT", whom, "mute")

    async def unmute(self, whom: "Person") -> Relationship:
        """Unmute another person."""
        return await self.to("DELETE", whom, "mute")

    async def accept(self, whom: "Person") -> Relationship:
        """Accept a follow request."""
        return (await self.ask("PUT", f"/v1/follow-requests/{whom.username}")).ok(Relationship)

    async def refuse(self, whom: "Person") -> Relationship:
        """Refuse a follow request."""
        return (await self.ask("DELETE", f"/v1/follow-requests/{whom.username}")).ok(Relationship)

    async def names(self, path: str) -> list[str]:
        """Return the usernames on a page of people."""
        return [each.username for each in (await self.ask("GET", path)).ok(People).items]

    async def me(self) -> Me:
        """Return one's own profile."""
        return (await self.ask("GET", "/v1/users/me")).ok(Me)

    async def edit(self, **changes: Any) -> Me:
        """Edit one's own profile."""
        return (await self.ask("PATCH", "/v1/users/me", changes)).ok(Me)

    async def search(self, text: str, **more: Any) -> People:
        """Return a page of the people found by a name."""
        query = urlencode({"q": text, **more})
        return (await self.ask("GET", f"/v1/users?{query}")).ok(People)

    async def profile(self, whom: "Person") -> Profile:
        """Return a person's profile."""
        return (await self.ask("GET", f"/v1/users/{whom.username}")).ok(Profile)

    async def posts(self, whom: "Person", query: str = "") -> Posts:
        """Return a page of a person's posts."""
        return (await self.ask("GET", f"/v1/users/{whom.username}/posts{query}")).ok(Posts)

    async def feed(self, query: str = "") -> Feed:
        """Return a page of one's home timeline."""
        return (await self.ask("GET", f"/v1/feed{query}")).ok(Feed)

    async def notifications(self) -> list[Notification]:
        """Return one's notifications, last changed first."""
        return (await self.inbox()).items

    async def inbox(self, query: str = "") -> Notifications:
        """Return a page of notifications with the stream offset it corresponds to."""
        return (await self.ask("GET", f"/v1/notifications{query}")).ok(Notifications)

    async def unread(self) -> int:
        """Return how many notifications are unread."""
        return (await self.ask("GET", "/v1/notifications/unread-count")).ok(Unread).unread

    async def read(self, *notifications: Notification) -> int:
        """Mark notifications as read; return how many stay unread."""
        ids = [each.id for each in notifications]
        return (await self.ask("POST", "/v1/notifications/read", {"ids": ids})).ok(Unread).unread

    async def sync(self, after: str) -> SyncAnswer:
        """Return the events of one's stream after an offset."""
        return (await self.ask("GET", "/v1/sync?after=" + after)).ok(SyncAnswer)

    async def refresh(self) -> Answer:
        """Trade the refresh token for new tokens."""
        return await self.door.ask("POST", "/v1/auth/refresh-token", {"refresh_token": self.tokens.refresh_token})

    async def logout(self) -> None:
        """End the session."""
        answer = await self.door.ask("POST", "/v1/auth/logout", {"refresh_token": self.tokens.refresh_token})
        assert answer.status == 204


@asynccontextmanager
async def door_to(url: str) -> AsyncIterator[Door]:
    """Yield the door of an API that runs elsewhere."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=220)) as session:
        yield Door(session, url)


def texts(page: Posts | Feed | Comments) -> list[str]:
    """Return the texts of the items of a page."""
    return [each.text for each in page.items]


def ids(items: list[Any]) -> list[str]:
    """Return the ids of some items."""
    return [each.id for each in items]


Look = Callable[[], Any]
