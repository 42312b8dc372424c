"""People whose live stores are all open, who act at random, lose their connections, and compare what they see."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from plaza_client import NotFound, Plaza, Store
from plaza_client.models import Comment, Comments, Feed, Notifications, Post, PresenceSnapshot

AT_ONCE = 4
BACK_WITHIN_S = 60.0
WATCHED = 6  # posts that each person looks at
NOT_LIVE = {"likes", "comments", "reposts", "version"}  # in a timeline: counts are live for watched posts only


class Actor:
    """A person whose stores are all open."""

    def __init__(self, name: str, plaza: Plaza) -> None:
        self.name = name
        self.looks_after: list[str] = []  # ids of the people whose presence is shown
        self.plaza = plaza
        self.shown: dict[str, Store[Any]] = {}

    def show(self, name: str, store: Store[Any]) -> None:
        """Open a store for the rest of the run."""
        if self.shown.get(name) is not store:
            self.shown[name] = store
            store.subscribe(lambda _: None)

    async def drop(self, chance: random.Random) -> None:
        """Lose the connection, and perhaps the memory of where it was, and wait until it is back."""
        how = chance.choice(("resumed", "synced", "fetched"))
        await self.plaza.connect()
        connection = self.plaza._connection
        assert connection is not None
        returned = len(connection.returns)
        if how != "resumed":
            connection._pid = None
        if how == "fetched" and connection.inbox.stream.offset and not connection.inbox.holding:
            connection.inbox.stream.restart("00000000.0")
        connection.cut()
        async with asyncio.timeout(BACK_WITHIN_S):
            while len(connection.returns) == returned:  # noqa: ASYNC110 - a client tells nobody that it is back
                await asyncio.sleep(0.01)

    async def differences(self) -> list[str]:
        """Return the stores that show something else than a fresh fetch, with both."""
        found = []
        for name, store in self.shown.items():
            shown, fresh = await self._both(name.split(" "), store)
            if shown != fresh:
                found.append(f"{self.name}: {name} ({store.get().status}) shows {_without(shown, fresh)}")
        return found

    async def _both(self, words: list[str], store: Store[Any]) -> tuple[Any, Any]:
        """Return what a store shows, and what it is to show by a fresh fetch."""
        match words:
            case ["notifications"]:
                groups = await self._every("/v1/notifications", Notifications)
                unread = groups[0].unread
                shown, fresh = _start(store, [each for page in groups for each in page.items], _as_read)
                return [*shown, store.get().unread], [*fresh, unread]
            case ["feed"]:
                feed = [each for page in await self._every("/v1/feed", Feed) for each in page.items]
                return _start(store, feed, lambda each: _plain(each, NOT_LIVE))
            case ["post", post_id]:
                post = await self._found(f"/v1/posts/{post_id}", Post)
                return [each and _plain(each) for each in (store.get().value, post)]
            case ["comments", post_id, *parent]:
                path = f"/v1/comments/{parent[0]}/replies" if parent else f"/v1/posts/{post_id}/comments"
                try:
                    pages = await self._every(path, Comments, sort="newest")
                except NotFound:
                    pages = []
                return _start(store, [each for page in pages for each in page.items], _plain)
        answer = await self.plaza.send("presence.watch", {"user_ids": self.looks_after})
        people = PresenceSnapshot.model_validate(answer).people
        return {each.user_id: each.online for each in store.get().items}, {each.user_id: each.online for each in people}

    async def _found(self, path: str, model: type[Post]) -> Post | None:
        try:
            return model.model_validate(await self.plaza.rest("GET", path))
        except NotFound:
            return None

    async def _every(self, path: str, model: Any, **params: str) -> list[Any]:
        pages: list[Any] = []
        while not pages or pages[-1].next:
            cursor = {"cursor": pages[-1].next} if pages else {}
            pages.append(
                model.model_validate(await self.plaza.rest("GET", path, params={"limit": "100", **params, **cursor}))
            )
        return pages


def _as_read(group: Any) -> Any:
    """Return a notification for comparison; when it was read is known only to the server."""
    return group.model_dump() | {"read_at": group.read_at is not None}


def _plain(post: Any, but: Collection[str] = ()) -> Any:
    """Return a post or comment for comparison; events to many people do not have the ids of those mentioned."""
    plain = post.model_dump(exclude=set(but))
    return plain | {"entities": [each | {"user_id": None} for each in plain["entities"]]}


def _without(shown: Any, fresh: Any) -> str:
    """Return in words how two lists differ."""
    if not isinstance(shown, list):
        return f"{shown} instead of {fresh}"
    return f"{[each for each in shown if each not in fresh]} instead of {[each for each in fresh if each not in shown]}"


def _start(store: Store[Any], fresh: list[Any], seen: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Return what a list shows, and the part of a fresh list that it is to show: down to its last loaded item."""
    now = store.get()
    most = len(now.items) if now.more else None
    return [seen(each) for each in now.items], [seen(each) for each in fresh[:most]]


class Crowd:
    """People who act at random on each other's posts and comments."""

    def __init__(self, people: list[Actor], chance: random.Random) -> None:
        self.people = people
        self.chance = chance
        self.posts: dict[str, Actor] = {}
        self.comments: dict[str, tuple[Comment, Actor]] = {}
        self.acts: Counter[str] = Counter()

    async def act(self) -> None:
        """Let a person do something; what somebody else deleted meanwhile is refused, and counts as an act."""
        person = self.chance.choice(self.people)
        every: dict[str, tuple[int, Callable[[Actor], Awaitable[object]]]] = {
            "publish": (4, self.publish),
            "edit a post": (2, self._edit_post),
            "delete a post": (1, self._delete_post),
            "like": (8, lambda by: by.plaza.like(self._post())),
            "unlike": (4, lambda by: by.plaza.unlike(self._post())),
            "bookmark": (1, lambda by: by.plaza.bookmark(self._post())),
            "comment": (6, self._comment),
            "reply": (3, self._reply),
            "edit a comment": (2, self._edit_comment),
            "delete a comment": (2, self._delete_comment),
            "like a comment": (3, lambda by: by.plaza.like_comment(self._comment_id())),
            "follow": (2, lambda by: by.plaza.follow(self._other(by))),
            "unfollow": (1, lambda by: by.plaza.unfollow(self._other(by))),
            "read some": (1, self._read_some),
            "read all": (1, self._read_all),
        }
        (name,) = self.chance.choices(list(every), [weight for weight, _ in every.values()])
        self.acts[name] += 1
        try:
            await every[name][1](person)
        except NotFound:
            self.acts["refused"] += 1

    def look(self, person: Actor) -> None:
        """Let a person look at some posts and their comments."""
        for post_id in self.chance.sample(sorted(self.posts), min(WATCHED, len(self.posts))):
            person.show(f"post {post_id}", person.plaza.post(post_id))
            person.show(f"comments {post_id}", person.plaza.comments(post_id))

    def _post(self) -> str:
        return self.chance.choice(list(self.posts)[-30:])

    def _comment_id(self) -> str:
        if not self.comments:
            raise NotFound(404, {})
        return self.chance.choice(list(self.comments)[-40:])

    def _other(self, person: Actor) -> str:
        return self.chance.choice([each.name for each in self.people if each is not person])

    async def publish(self, person: Actor) -> None:
        """Let a person publish a post that mentions another."""
        post = await person.plaza.publish(f"post number {len(self.posts)} by @{self._other(person)}")
        self.posts[post.id] = person

    async def _edit_post(self, _: Actor) -> None:
        post_id = self._post()
        await self.posts[post_id].plaza.edit_post(post_id, f"edited: {self.chance.random()}")

    async def _delete_post(self, _: Actor) -> None:
        if len(self.posts) > WATCHED:
            post_id = self._post()
            author = self.posts.pop(post_id)
            await author.plaza.delete_post(post_id)

    async def _comment(self, person: Actor) -> None:
        comment = await person.plaza.comment(self._post(), "well said")
        self.comments[comment.id] = comment, person

    async def _reply(self, person: Actor) -> None:
        comment, _ = self.comments[self._comment_id()]
        parent = comment.parent_id or comment.id
        reply = await person.plaza.comment(comment.post_id, "indeed", parent=parent)
        self.comments[reply.id] = reply, person

    async def _edit_comment(self, _: Actor) -> None:
        comment, author = self.comments[self._comment_id()]
        await author.plaza.edit_comment(comment.id, f"better said: {self.chance.random()}")

    async def _delete_comment(self, _: Actor) -> None:
        comment, author = self.comments.pop(self._comment_id())
        await author.plaza.delete_comment(comment)

    async def _read_some(self, person: Actor) -> None:
        unread = [each for each in person.plaza.notifications.get().items if each.read_at is None]
        if unread:
            await person.plaza.mark_read(ids=[self.chance.choice(unread).id])

    async def _read_all(self, person: Actor) -> None:
        items = person.plaza.notifications.get().items
        if items:
            await person.plaza.mark_read(all_until=items[0].updated_at)

    async def round(self, acts: int) -> None:
        """Do so many acts, some at once, while the connection of everybody drops once."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def act() -> None:
            async with gate:
                await self.act()

        async def drop(person: Actor) -> None:
            await asyncio.sleep(self.chance.uniform(0, 0.1))
            await person.drop(self.chance)

        await asyncio.gather(*(drop(each) for each in self.people), *(act() for _ in range(acts)))
