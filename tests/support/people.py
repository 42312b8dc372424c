"""People who use Plaza over HTTP, as an app would: what they do, and what they then see."""

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
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON in it."""
        return decode(self.raw)

    def ok(self, model: type[M], status: int = 200) -> M:
        """The body of a success, with every field of its contract and no other."""
        assert self.status == status, self
        assert self.headers["Content-Type"] == "application/json"
        answer = model.model_validate(self.body)
        assert set(self.body) == set(model.model_fields), self.body
        return answer

    def refused(self, status: int, code: str) -> ProblemBody:
        """The problem of a refusal: this status, this stable code."""
        assert (self.status, self.body.get("code")) == (status, code), self
        assert self.headers["Content-Type"] == "application/problem+json"
        problem = ProblemBody.model_validate(self.body)
        assert problem.status == status
        assert problem.title
        assert problem.request_id == self.headers["X-Request-ID"]
        return problem

    def wrong_fields(self) -> dict[str, str]:
        """Pointer and code of each field that a 422 names."""
        problem = self.refused(422, "validation_failed")
        return {each.pointer: each.code for each in problem.errors or []}


class Door:
    """Where people knock: one API."""

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
        """One request; `body` is sent as JSON, `data` as it is."""
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
        """A new account."""
        ask = {"username": username, "email": f"{username}@example.org", "password": password}
        answer = await self.ask("POST", "/v1/auth/register", ask)
        return Person(self, answer.ok(Tokens, 201), password)


class Person:
    """Somebody with an account and an open session."""

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
        """One request in this session."""
        return await self.door.ask(method, path, body, **{"token": self.tokens.access_token, **more})

    async def publish(self, text: str, **more: Any) -> Post:
        """Write a post."""
        return (await self.ask("POST", "/v1/posts", {"text": text}, **more)).ok(Post, 201)

    async def delete(self, post: Post) -> None:
        """Delete a post of one's own."""
        assert (await self.ask("DELETE", f"/v1/posts/{post.id}")).status == 204

    async def see(self, post: Post) -> Post:
        """Look at a post."""
        return (await self.ask("GET", f"/v1/posts/{post.id}")).ok(Post)

    async def like(self, post: Post) -> LikeState:
        """Like a post."""
        return (await self.ask("PUT", f"/v1/posts/{post.id}/like")).ok(LikeState)

    async def unlike(self, post: Post) -> LikeState:
        """Take a like back."""
        return (await self.ask("DELETE", f"/v1/posts/{post.id}/like")).ok(LikeState)

    async def comment(self, post: Post, text: str, **more: Any) -> Comment:
        """Comment on a post."""
        return (await self.ask("POST", f"/v1/posts/{post.id}/comments", {"text": text}, **more)).ok(Comment, 201)

    async def comments(self, post: Post, query: str = "") -> Comments:
        """A page of a post's comments."""
        return (await self.ask("GET", f"/v1/posts/{post.id}/comments{query}")).ok(Comments)

    async def reply(self, to: Comment, text: str, **more: Any) -> Comment:
        """Answer a comment."""
        body = {"text": text, "parent_id": to.id}
        return (await self.ask("POST", f"/v1/posts/{to.post_id}/comments", body, **more)).ok(Comment, 201)

    async def replies(self, to: Comment, query: str = "") -> Comments:
        """A page of the replies to a comment."""
        return (await self.ask("GET", f"/v1/comments/{to.id}/replies{query}")).ok(Comments)

    async def read_comment(self, comment: Comment) -> Comment:
        """Look at a comment."""
        return (await self.ask("GET", f"/v1/comments/{comment.id}")).ok(Comment)

    async def delete_comment(self, comment: Comment) -> None:
        """Delete a comment, of one's own or under one's own post."""
        assert (await self.ask("DELETE", f"/v1/comments/{comment.id}")).status == 204

    async def like_comment(self, comment: Comment) -> CommentLikeState:
        """Like a comment."""
        return (await self.ask("PUT", f"/v1/comments/{comment.id}/like")).ok(CommentLikeState)

    async def unlike_comment(self, comment: Comment) -> CommentLikeState:
        """Take a like of a comment back."""
        return (await self.ask("DELETE", f"/v1/comments/{comment.id}/like")).ok(CommentLikeState)

    async def follow(self, whom: "Person") -> FollowState:
        """Follow somebody."""
        return (await self.ask("PUT", f"/v1/users/{whom.username}/follow")).ok(FollowState)

    async def unfollow(self, whom: "Person") -> FollowState:
        """Stop following somebody."""
        return (await self.ask("DELETE", f"/v1/users/{whom.username}/follow")).ok(FollowState)

    async def to(self, method: str, whom: "Person", what: str) -> Relationship:
        """Change how one stands to somebody: `block`, `mute`."""
        return (await self.ask(method, f"/v1/users/{whom.username}/{what}")).ok(Relationship)

    async def block(self, whom: "Person") -> Relationship:
        """Block somebody."""
        return await self.to("PUT", whom, "block")

    async def unblock(self, whom: "Person") -> Relationship:
        """Take a block back."""
        return await self.to("DELETE", whom, "block")

    async def mute(self, whom: "Person") -> Relationship:
        """Mute somebody."""
        return await self.to("PUT", whom, "mute")

    async def unmute(self, whom: "Person") -> Relationship:
        """Hear of somebody again."""
        return await self.to("DELETE", whom, "mute")

    async def accept(self, whom: "Person") -> Relationship:
        """Let somebody follow who asked to."""
        return (await self.ask("PUT", f"/v1/follow-requests/{whom.username}")).ok(Relationship)

    async def refuse(self, whom: "Person") -> Relationship:
        """Refuse somebody's request."""
        return (await self.ask("DELETE", f"/v1/follow-requests/{whom.username}")).ok(Relationship)

    async def names(self, path: str) -> list[str]:
        """Who is on a page of people."""
        return [each.username for each in (await self.ask("GET", path)).ok(People).items]

    async def me(self) -> Me:
        """One's own profile."""
        return (await self.ask("GET", "/v1/users/me")).ok(Me)

    async def edit(self, **changes: Any) -> Me:
        """Edit one's own profile."""
        return (await self.ask("PATCH", "/v1/users/me", changes)).ok(Me)

    async def search(self, text: str, **more: Any) -> People:
        """A page of the people found by a name."""
        query = urlencode({"q": text, **more})
        return (await self.ask("GET", f"/v1/users?{query}")).ok(People)

    async def profile(self, whom: "Person") -> Profile:
        """Somebody's profile."""
        return (await self.ask("GET", f"/v1/users/{whom.username}")).ok(Profile)

    async def posts(self, whom: "Person", query: str = "") -> Posts:
        """A page of somebody's posts."""
        return (await self.ask("GET", f"/v1/users/{whom.username}/posts{query}")).ok(Posts)

    async def feed(self, query: str = "") -> Feed:
        """A page of one's home timeline."""
        return (await self.ask("GET", f"/v1/feed{query}")).ok(Feed)

    async def notifications(self) -> list[Notification]:
        """What one is told about, last changed first."""
        return (await self.inbox()).items

    async def inbox(self, query: str = "") -> Notifications:
        """A page of notifications with the stream offset it corresponds to."""
        return (await self.ask("GET", f"/v1/notifications{query}")).ok(Notifications)

    async def unread(self) -> int:
        """How many notifications are unread."""
        return (await self.ask("GET", "/v1/notifications/unread-count")).ok(Unread).unread

    async def read(self, *notifications: Notification) -> int:
        """Mark as read; how many stay unread."""
        ids = [each.id for each in notifications]
        return (await self.ask("POST", "/v1/notifications/read", {"ids": ids})).ok(Unread).unread

    async def sync(self, after: str) -> SyncAnswer:
        """What one's stream holds after an offset."""
        return (await self.ask("GET", "/v1/sync?after=" + after)).ok(SyncAnswer)

    async def refresh(self) -> Answer:
        """Trade the refresh token in hand."""
        return await self.door.ask("POST", "/v1/auth/refresh-token", {"refresh_token": self.tokens.refresh_token})

    async def logout(self) -> None:
        """End the session."""
        answer = await self.door.ask("POST", "/v1/auth/logout", {"refresh_token": self.tokens.refresh_token})
        assert answer.status == 204


@asynccontextmanager
async def knocking(url: str) -> AsyncIterator[Door]:
    """A door to an API that somebody else runs."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Door(session, url)


def texts(page: Posts | Feed | Comments) -> list[str]:
    """What the items of a page say."""
    return [each.text for each in page.items]


def ids(items: list[Any]) -> list[str]:
    """The ids of some things."""
    return [each.id for each in items]


Look = Callable[[], Any]
