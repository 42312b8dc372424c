"""Let people act at random while their connections drop, and compare what their live stores show with a fresh fetch.

    python loadtests/convergence.py [--people 20] [--acts 1000] [--drops 50] [--seed 7] [--url U --realtime U]

Without `--url` a `python -m embedded` of its own is started, in a folder of its own. People publish, edit, delete,
like, comment, reply, follow and read, several at once; each connection drops so many times, and then it is resumed by
the gateway, caught up by `sync`, or has lost its memory of the stream. The last line is one JSON object; the exit code
is 1 where a store differs from a fresh fetch for longer than a minute.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import aiohttp
from support.ports import free_ports
from support.system import Embedded

from loadtests import target
from plaza_client import NotFound, Plaza, PlazaError, Retrying, Store
from plaza_client.models import Comment, Comments, Feed, Notifications, Post, PresenceSnapshot

AT_ONCE = 4
CONVERGES_WITHIN_S = 60.0
WATCHED = 6  # posts that each person looks at
NOT_LIVE = {"likes", "comments", "reposts", "version"}  # in a timeline: counts are live for watched posts only
UNLIMITED = {f"RATE_{policy}": "1000000/1" for policy in ("USER", "IP", "LOGIN", "REGISTER")}
PATIENCE = Retrying(first_s=0.05, most_s=0.5)


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

    def drop(self, chance: random.Random) -> str:
        """Lose the connection, and perhaps the memory of where it was; return which."""
        how = chance.choice(("resumed", "synced", "fetched"))
        connection = self.plaza._connection
        assert connection is not None
        if how != "resumed":
            connection._pid = None
        if how == "fetched" and connection.inbox.stream.offset and not connection.inbox.holding:
            connection.inbox.stream.restart("00000000.0")
        connection.cut()
        return how

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
            "publish": (4, self._publish),
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

    async def _publish(self, person: Actor) -> None:
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
            await person.plaza.connect()
            await asyncio.sleep(self.chance.uniform(0, 0.1))
            person.drop(self.chance)

        await asyncio.gather(*(drop(each) for each in self.people), *(act() for _ in range(acts)))


async def converge(url: str, realtime: str, *, people: int, acts: int, drops: int, seed: int = 7) -> dict[str, Any]:
    """Return the figures of a run; `different` names the stores that did not become equal to a fresh fetch."""
    run_id, began = uuid4().hex[:8], time.monotonic()
    async with gathered(url, realtime, [f"converge_{run_id}_{number}" for number in range(people)]) as everybody:
        crowd = Crowd(everybody, random.Random(seed))
        for person in everybody:
            for other in crowd.chance.sample(everybody, min(4, people)):
                if other is not person:
                    await person.plaza.follow(other.name)
            await crowd._publish(person)
        for number in range(drops):
            if number % 10 == 0:
                for person in everybody:
                    crowd.look(person)
            await crowd.round(acts * (number + 1) // drops - acts * number // drops)
        different = await settled(everybody)
        returns = Counter(
            "resumed" if each.resumed else "fetched" if each.gap else "synced"
            for person in everybody
            for each in person.plaza.returns
        )
        return {
            "people": people,
            "acts": sum(crowd.acts.values()) - crowd.acts["refused"],
            "refused": crowd.acts["refused"],
            "returns": dict(returns),
            "stores": sum(len(person.shown) for person in everybody),
            "skipped_and_repeated": [sum(each) for each in zip(*(p.plaza.disorder for p in everybody), strict=True)],
            "different": different,
            "seconds": round(time.monotonic() - began, 1),
        }


async def settled(people: list[Actor]) -> list[str]:
    """Wait until every store shows what a fresh fetch shows; return the differences that stay."""
    deadline = time.monotonic() + CONVERGES_WITHIN_S
    while True:
        found = await asyncio.gather(*(person.differences() for person in people))
        different = [each for some in found for each in some]
        if not different or time.monotonic() > deadline:
            return different
        await asyncio.sleep(0.5)


@asynccontextmanager
async def gathered(url: str, realtime: str, names: list[str]) -> AsyncIterator[list[Actor]]:
    """Yield people with new accounts, whose stores are open."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        everybody = [Actor(name, Plaza(url, realtime=realtime, http=http, retrying=PATIENCE)) for name in names]
        try:
            for person in everybody:
                await person.plaza.register(person.name, f"{person.name}@example.org", uuid4().hex)
            ids = [person.plaza.user.id for person in everybody if person.plaza.user]
            for person in everybody:
                person.looks_after = ids
                person.show("notifications", person.plaza.notifications)
                person.show("feed", person.plaza.feed)
                person.show("presence", person.plaza.presence(ids))
            yield everybody
        finally:
            await asyncio.gather(*(person.plaza.close() for person in everybody))


async def main(arguments: argparse.Namespace) -> int:
    """Run against a system; return 1 if a store stayed different."""
    size = {"people": arguments.people, "acts": arguments.acts, "drops": arguments.drops, "seed": arguments.seed}
    if arguments.url:
        target.check(arguments.url)
        return report(await converge(arguments.url, arguments.realtime or arguments.url, **size))
    (api, realtime), code = free_ports(2), 1
    with tempfile.TemporaryDirectory() as folder, suppress(TimeoutError):  # it is killed where it stops slowly
        async with Embedded(Path(folder) / "var", api_port=api, realtime_port=realtime, **UNLIMITED) as system:
            try:
                code = report(await converge(system.api_url, system.realtime_url, **size))
            except PlazaError:
                print(system.output, file=sys.stderr)
                raise
    return code


def report(figures: dict[str, Any]) -> int:
    """Print the figures of a run; return its exit code."""
    for each in figures["different"]:
        print(each, file=sys.stderr)
    print(json.dumps(figures | {"different": len(figures["different"])}), flush=True)
    return 1 if figures["different"] else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--acts", type=int, default=1000, help="of all people together")
    parser.add_argument("--drops", type=int, default=50, help="of each connection")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--url", default="", help="a running system on this machine; without limits on requests")
    parser.add_argument("--realtime", default="", help="its gateway, if that is elsewhere")
    sys.exit(asyncio.run(main(parser.parse_args())))
