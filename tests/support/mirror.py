"""A client that never fetches again: a snapshot, kept true by events alone, as an app would keep its screens."""

import asyncio
from datetime import datetime
from typing import Any

import socketio

from support.eventually import LONG_S, eventually
from support.people import Door, Person

Json = dict[str, Any]
COUNTS = ("likes", "comments", "reposts", "version")


class Mirror:
    """A person's screens: profile, notifications, home timeline, and every post of it watched."""

    def __init__(self, person: Person, door: Door, realtime_url: str) -> None:
        self.person = person
        self.state: Json = {}
        self.events: list[tuple[str, Json]] = []
        self._door = door
        self._url = realtime_url
        self._socket = socketio.AsyncClient(reconnection=False)
        self._socket.on("*", self._receive)
        self._refetching: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Connect, then fetch: events that come meanwhile are folded in afterwards, by their versions."""
        await self._socket.connect(self._url, auth={"token": self.person.tokens.access_token}, transports=["websocket"])
        self.state = await self.snapshot()
        for post_id in self.state["posts"]:
            await self.send("post.watch", {"post_id": post_id})

    async def close(self) -> None:
        """Disconnect."""
        await self._socket.disconnect()

    async def send(self, event: str, message: Json) -> Json:
        """Send a message and return the data of its ack."""
        ack = await self._socket.call(event, message, timeout=LONG_S)
        assert ack["ok"], ack
        data: Json = ack["data"]
        if data and "bookmarked" in data and "post_id" in data:  # only the ack reports a bookmark
            others = [each for each in self.state["bookmarks"] if each != data["post_id"]]
            self.state["bookmarks"] = [data["post_id"], *others] if data["bookmarked"] else others
        return data

    async def received(self, event: str) -> None:
        """Wait until such an event came."""

        async def look() -> None:
            assert event in [name for name, _ in self.events]

        await eventually(look)

    async def snapshot(self) -> Json:
        """Return what a fresh start of the app shows."""
        feed = await self._get("/v1/feed")
        inbox = await self._get("/v1/notifications")
        me = await self._get("/v1/users/me")
        return {
            "me": {name: me[name] for name in ("followers", "following", "posts", "version")},
            "unread": inbox["unread"],
            "notifications": {each["id"]: _notification(each) for each in inbox["items"]},
            "order": [each["id"] for each in inbox["items"]],
            "bookmarks": [post["id"] for post in (await self._get("/v1/bookmarks"))["items"]],
            "feed": [post["id"] for post in feed["items"]],
            "posts": {post["id"]: _public(post) for post in feed["items"]},
            "comments": {post["id"]: await self._comments(post["id"]) for post in feed["items"]},
        }

    async def _comments(self, post_id: str) -> Json:
        """The comments and replies under a post, by id."""
        found: Json = {}
        for comment in (await self._get(f"/v1/posts/{post_id}/comments"))["items"]:
            replies = await self._get(f"/v1/comments/{comment['id']}/replies")
            found |= {each["id"]: _public(each) for each in (comment, *replies["items"])}
        return found

    def _comment(self, data: Json) -> Json:
        """Return what this screen shows of a comment."""
        shown: Json = self.state["comments"].get(data["post_id"], {}).get(data.get("comment_id") or data["id"])
        return shown

    async def _get(self, path: str) -> Json:
        answer = await self.person.ask("GET", path)
        assert answer.status == 200, answer
        body: Json = answer.body
        return body

    async def _receive(self, event: str, data: Any = None, *_offset: str) -> None:
        self.events.append((event, data))
        handler = getattr(self, "_on_" + event.replace(".", "_"), None)
        assert handler is not None, f"no screen for {event}"
        await handler(data)

    async def _on_notification(self, data: Json) -> None:
        state = self.state
        if data["id"] not in state["notifications"]:
            state["unread"] += data["read_at"] is None
        state["notifications"][data["id"]] = _notification(data)
        shown = sorted(state["notifications"].values(), key=lambda each: (_time(each["updated_at"]), each["id"]))
        state["order"] = [each["id"] for each in reversed(shown)]

    _on_notification_updated = _on_notification

    async def _on_notification_removed(self, data: Json) -> None:
        gone = self.state["notifications"].pop(data["id"], None)
        if gone is not None:
            self.state["order"].remove(data["id"])
            self.state["unread"] -= not gone["read"]

    async def _on_notifications_read(self, data: Json) -> None:
        for each in self.state["notifications"].values():
            until = data["all_until"]
            if each["id"] in (data["ids"] or ()) or (until and _time(each["updated_at"]) <= _time(until)):
                each["read"] = True
        self.state["unread"] = data["unread"]

    async def _on_user_stats(self, data: Json) -> None:
        if data["version"] > self.state["me"]["version"]:
            self.state["me"] = {name: data[name] for name in self.state["me"]}

    async def _on_feed_post(self, data: Json) -> None:
        if data["id"] not in self.state["posts"]:
            self.state["feed"].insert(0, data["id"])
            self.state["posts"][data["id"]] = _public(data)
            self.state["comments"][data["id"]] = {}

    async def _on_feed_changed(self, _data: Json) -> None:
        fresh = await self.snapshot()
        self.state |= {name: fresh[name] for name in ("feed", "posts", "comments")}

    async def _on_post_updated(self, data: Json) -> None:
        post = self.state["posts"].get(data["id"])
        if post is not None and data["rev"] > post["rev"]:
            post |= {name: data[name] for name in data if name not in COUNTS}
        await self._on_post_stats({"post_id": data["id"], **data})

    async def _on_post_deleted(self, data: Json) -> None:
        if data["post_id"] in self.state["posts"]:
            self.state["feed"].remove(data["post_id"])
            del self.state["posts"][data["post_id"]], self.state["comments"][data["post_id"]]

    async def _on_post_stats(self, data: Json) -> None:
        post = self.state["posts"].get(data["post_id"])
        if post is not None and data["version"] > post["version"]:
            post |= {name: data[name] for name in COUNTS}

    async def _on_comment_created(self, data: Json) -> None:
        if data["post_id"] in self.state["comments"]:
            self.state["comments"][data["post_id"]].setdefault(data["id"], data)

    async def _on_comment_updated(self, data: Json) -> None:
        shown = self._comment(data)
        if shown and data["rev"] > shown["rev"]:
            shown |= {name: data[name] for name in ("text", "entities", "edited_at", "rev")}

    async def _on_comment_stats(self, data: Json) -> None:
        shown = self._comment(data)
        if shown and data["version"] > shown["version"]:
            shown |= {name: data[name] for name in ("likes", "replies", "version")}

    async def _on_comment_deleted(self, data: Json) -> None:
        comments = self.state["comments"].get(data["post_id"], {})
        for each in list(comments.values()):
            if data["comment_id"] in (each["id"], each["parent_id"]):
                del comments[each["id"]]


def _public(post: Json) -> Json:
    """Remove the fields that only its viewer has, and its place."""
    own = ("liked", "reposted", "bookmarked", "place", "reposted_by")
    return {name: value for name, value in post.items() if name not in own}


def _notification(notification: Json) -> Json:
    return {**notification, "read": notification["read_at"] is not None, "read_at": None}


def _time(text: str) -> datetime:
    """Parse a time: a whole second has no fraction, so that texts do not compare as their times do."""
    return datetime.fromisoformat(text)
