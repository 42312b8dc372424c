"""Every operation of the OpenAPI document, and people of each kind who send it."""

import copy
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from api.app import ALL
from api.docs.openapi import document
from social.accounts import lifecycle
from social.contracts.comments import Comment
from social.contracts.posts import Post
from social.posts import media
from support.people import PASSWORD, Answer, Door, Person
from support.pictures import form, picture, uploaded, worn
from support.site import Site

COLUMNS = ("anonymous", "owner", "other", "blocked", "follower", "stranger", "suspended")
QUERIES = {"search": "?q=hello", "search_users": "?q=own", "sync": "?after=x"}


class Operation(NamedTuple):
    """An operation of the document."""

    name: str
    method: str
    path: str


OPERATIONS = [
    Operation(operation["operationId"], method.upper(), path)
    for path, methods in document(ALL)["paths"].items()
    for method, operation in methods.items()
    if method != "head"
]


PUBLIC = {each.name for each in OPERATIONS if each.path.startswith("/v1/public/")}


class Owner(NamedTuple):
    """A person, and the objects they own."""

    person: Person
    post: Post
    comment: Comment
    session: str


class World:
    """Two owners, one with a private account, and a person of each kind; a site may have several, apart by name."""

    def __init__(self, door: Door, site: Site, apart: str = "") -> None:
        self._door, self.site, self._apart = door, site, apart
        self.people: dict[str, Person | None] = {"anonymous": None}
        self._pictures: dict[tuple[str, bool], str] = {}

    async def begin(self) -> None:
        """Bring everybody into their relation to the owners."""
        self.public, self.private = await self._owner("owning"), await self._owner("secretive")
        people = {name: await self._register(name) for name in COLUMNS[2:]}
        self.asker = await self._register("asker")
        await people["follower"].follow(self.private.person)
        await self.private.person.edit(private=True)
        await self.asker.follow(self.private.person)
        await self.public.person.block(people["blocked"])
        await lifecycle.suspend(self.site.plaza.mongo, people["suspended"].username, None)
        await self.site.plaza.revocations.poll()
        self.people |= people

    def at(self, door: Door) -> "World":
        """Return this world, asked at another address."""
        other = copy.copy(self)
        other._door = door
        return other

    async def _register(self, name: str) -> Person:
        return await self._door.register(f"{name}{self._apart}")

    async def _owner(self, name: str) -> Owner:
        person = await self._register(name)
        post = await person.publish("hello #plaza")
        comment = await person.comment(post, "first")
        (session,) = (await person.ask("GET", "/v1/auth/sessions")).body["items"]
        return Owner(person, post, comment, session["id"])

    def owner_for(self, column: str, operation: str) -> Owner:
        """Return the owner whose objects a person of a kind requests."""
        asked_of_private = operation in ("remove_follower", "accept_follow_request", "refuse_follow_request")
        return self.private if column in ("follower", "stranger") or asked_of_private else self.public

    async def ask(self, operation: Operation, column: str) -> Answer:
        """Send an operation as a person of a kind."""
        owner = self.owner_for(column, operation.name)
        person = owner.person if column == "owner" else self.people[column]
        follower, asker = self.people["follower"], self.asker
        of = {"remove_follower": follower, "accept_follow_request": asker, "refuse_follow_request": asker}
        named = of.get(operation.name) or owner.person
        values = {
            "username": named.username,
            "post_id": owner.post.id,
            "comment_id": owner.comment.id,
            "session_id": owner.session,
            "tag": "plaza",
        }
        if operation.name == "get_avatar":
            values["media_id"] = await self.avatar_of(owner)
        elif "media_id" in operation.path:
            values["media_id"] = await self.picture_of(owner, attached=operation.method == "GET")
        path = re.sub(r"{(\w+)}", lambda found: values[found[1]], operation.path) + QUERIES.get(operation.name, "")
        data = form(picture()) if operation.name == "create_media" else None
        body = BODIES[operation.name](owner, person, column) if operation.name in BODIES else None
        if operation.name == "set_avatar":
            body = {"media_id": (await uploaded(person)).id if person and column != "suspended" else "0" * 24}
        token = person.tokens.access_token if person else None
        return await self._door.ask(operation.method, path, body, data=data, token=token)

    async def picture_of(self, owner: Owner, *, attached: bool) -> str:
        """Return a picture that a post of the owner shows, or that no post shows; it is made on the first call."""
        key = owner.person.username, attached
        if key not in self._pictures:
            self._pictures[key] = (await uploaded(owner.person)).id
            if attached:
                by = owner.person.id
                await self.site.plaza.commit(media.attach, [self._pictures[key]], owner.post.id, by=by)
        return self._pictures[key]

    async def avatar_of(self, owner: Owner) -> str:
        """Return the picture that is the owner's avatar; it is chosen where the owner has none."""
        if (url := (await owner.person.me()).avatar_url) is None:
            url = await worn(owner.person)
        return url.split("/")[3]


Body = Callable[[Owner, Person | None, str], dict[str, Any]]


def _credentials(_: Owner, person: Person | None, __: str) -> dict[str, Any]:
    return {"username": person.username if person else "nobody", "password": PASSWORD}


def _refresh(_: Owner, person: Person | None, __: str) -> dict[str, Any]:
    return {"refresh_token": person.tokens.refresh_token if person else "x"}


def _new(_: Owner, __: Person | None, column: str) -> dict[str, Any]:
    return {"username": f"new_{column}", "email": f"new_{column}@example.org", "password": PASSWORD}


def _always(**body: Any) -> Body:
    return lambda *_: body


BODIES: dict[str, Body] = {
    "register": _new,
    "login": _credentials,
    "refresh_token": _refresh,
    "logout": _refresh,
    "change_password": _always(current_password=PASSWORD, new_password=PASSWORD),
    "request_password_reset": _always(email="owner@example.org"),
    "reset_password": _always(token="x", password="another good one"),
    "change_email": lambda _, __, column: {"password": PASSWORD, "email": f"at_{column}@example.org"},
    "verify_email": _always(token="x"),
    "edit_me": _always(bio="hello"),
    "delete_me": _always(password=PASSWORD),
    "create_post": _always(text="hello"),
    "edit_post": lambda _, __, column: {"text": f"hello from {column}"},
    "create_comment": _always(text="hello"),
    "edit_comment": _always(text="hello again"),
    "read_notifications": _always(ids=["0" * 24]),
    "edit_media": _always(alt="a wall"),
    "edit_notification_preferences": _always(like=True),
    "report": lambda owner, _, __: {"target": {"kind": "comment", "id": owner.comment.id}, "reason": "spam"},
}
