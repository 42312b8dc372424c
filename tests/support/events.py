"""The actions of people, as the domain's functions write them: documents and their event, in one transaction."""

import random
from collections.abc import Sequence
from typing import Any

import workers.notifications
from social.contracts.envelope import Envelope
from social.contracts.events import (
    CommentAdded,
    CommentDeleted,
    CommentEdited,
    CommentLiked,
    CommentUnliked,
    Event,
    Group,
    PostDeleted,
    PostEdited,
    PostLiked,
    PostPublished,
    PostReposted,
    PostUnliked,
    PostUnreposted,
)
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent
from social.infra.store.mongo import Document, Transaction
from social.posts import interactions
from support.people import Person
from support.site import Site


class Scene:
    """A system without workers, whose events are handled when the test asks for it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.plaza = site.plaza

    async def post(self, by: Person, *mentions: Person, **more: Any) -> str:
        """Publish a post that mentions people."""
        post_id, names = clock.new_id(), [each.id for each in mentions]
        at = {"created_at": clock.now(), "edited_at": None}
        post = {"_id": post_id, "author_id": by.id, "text": "hello", **at, "likes": 0, "comments": 0, "version": 0}
        event = PostPublished(post_id=post_id, author_id=by.id, mentions=names)
        await self._write("posts", {**post, **_names(names), **more}, event)
        return post_id

    async def edit_post(self, post_id: str, by: Person, *mentions: Person) -> None:
        """Edit a post so that it mentions other people."""
        names = [each.id for each in mentions]
        await self._change("posts", post_id, names, PostEdited(post_id=post_id, author_id=by.id, mentions=names))

    async def delete_post(self, post_id: str, by: Person) -> None:
        """Delete a post."""
        await self._delete("posts", post_id, PostDeleted(post_id=post_id, author_id=by.id))

    async def comment(
        self, post_id: str, by: Person, *mentions: Person, author: Person, to: tuple[str, Person] | None = None
    ) -> str:
        """Comment on a post, or reply to a comment on it."""
        comment_id, names = clock.new_id(), [each.id for each in mentions]
        parent = {"parent_id": to[0] if to else None}
        document = {"_id": comment_id, "post_id": post_id, "author_id": by.id, "text": "x", **parent, **_names(names)}
        at = {"created_at": clock.now(), "edited_at": None, "likes": 0}
        event = CommentAdded(**_of_comment(post_id, comment_id, by, author, to), mentions=names)
        await self._write("comments", {**document, **at}, event)
        return comment_id

    async def edit_comment(
        self,
        post_id: str,
        comment_id: str,
        by: Person,
        *mentions: Person,
        author: Person,
        to: tuple[str, Person] | None = None,
    ) -> None:
        """Edit a comment so that it mentions other people."""
        names = [each.id for each in mentions]
        event = CommentEdited(**_of_comment(post_id, comment_id, by, author, to), mentions=names)
        await self._change("comments", comment_id, names, event)

    async def delete_comment(
        self, post_id: str, comment_id: str, by: Person, *, author: Person, to: tuple[str, Person] | None = None
    ) -> None:
        """Delete a comment."""
        await self._delete("comments", comment_id, CommentDeleted(**_of_comment(post_id, comment_id, by, author, to)))

    async def like(self, post_id: str, by: Person, *, author: Person) -> None:
        """Like a post."""
        row = {"_id": post_id + by.id, "post_id": post_id, "user_id": by.id, "like_id": clock.new_id()}
        await self._write("interactions", row, PostLiked(post_id=post_id, author_id=author.id, by=by.id))

    async def unlike(self, post_id: str, by: Person, *, author: Person) -> None:
        """Unlike a post."""
        await self._take_back(post_id + by.id, "like_id", PostUnliked(post_id=post_id, author_id=author.id, by=by.id))

    async def like_comment(self, post_id: str, comment_id: str, by: Person, *, author: Person, of: Person) -> None:
        """Like a comment on a post."""
        about = {"post_id": post_id, "author_id": author.id, "comment_id": comment_id, "comment_author_id": of.id}
        row = {"_id": comment_id + by.id, "comment_id": comment_id, "user_id": by.id}
        await self._write("comment_likes", row, CommentLiked(**about, by=by.id))

    async def unlike_comment(self, post_id: str, comment_id: str, by: Person, *, author: Person, of: Person) -> None:
        """Unlike a comment."""
        about = {"post_id": post_id, "author_id": author.id, "comment_id": comment_id, "comment_author_id": of.id}
        await self._delete("comment_likes", comment_id + by.id, CommentUnliked(**about, by=by.id))

    async def repost(self, post_id: str, by: Person, *, author: Person) -> None:
        """Repost a post."""
        row = {"_id": post_id + by.id, "post_id": post_id, "user_id": by.id, "reposted_by": by.id}
        event = PostReposted(post_id=post_id, author_id=author.id, by=by.id, repost_id=clock.new_id())
        await self._write("interactions", {**row, "repost_id": event.repost_id}, event)

    async def unrepost(self, post_id: str, by: Person, *, author: Person) -> None:
        """Undo a repost."""
        event = PostUnreposted(post_id=post_id, author_id=author.id, by=by.id, repost_id=clock.new_id())
        await self._take_back(post_id + by.id, "repost_id", event)

    async def waiting(self) -> list[ReceivedEvent]:
        """Return the events that were not handled yet."""
        rows = await self.plaza.mongo.many("outbox", {}, sort=[("_id", 1)])
        envelopes = [Envelope(id=row.pop("_id"), **row) for row in rows]
        return [
            ReceivedEvent(each.id, each.at, each.event()) for each in envelopes if Group.NOTIFICATIONS in each.groups()
        ]

    async def work(self, *, order: random.Random | None = None, together: int = 256) -> list[ReceivedEvent]:
        """Handle the waiting events, in the given order or any, in batches of `together`; return them."""
        happened = await self.waiting()
        if order:
            order.shuffle(happened)
        for start in range(0, len(happened), together):
            await workers.notifications.handle(self.plaza, happened[start : start + together])
        await self.plaza.mongo.delete("outbox", {"_id": {"$in": [each.id for each in happened]}})
        return happened

    async def handle(self, happened: Sequence[ReceivedEvent]) -> None:
        """Handle events, again or for the first time."""
        await workers.notifications.handle(self.plaza, happened)

    async def notified(self, person: Person) -> list[tuple[str, list[str], int]]:
        """Return type, usernames and count of each group that a person is notified of, in the order of types."""
        found = await person.notifications()
        return sorted((each.type, [actor.username for actor in each.actors], each.count) for each in found)

    async def events(self, person: Person) -> list[str]:
        """Return the events of a person's stream, from its beginning."""
        epoch = (await person.inbox()).offset.partition(".")[0]
        return [each.event for each in (await person.sync(f"{epoch}.0")).events]

    async def moves(self, person: Person) -> int:
        """Return how many items a person's stream has had."""
        return int((await person.inbox()).offset.partition(".")[2])

    async def _write(self, collection: str, document: Document, event: Event) -> None:
        async def write(tx: Transaction) -> None:
            kept = {name: value for name, value in document.items() if name != "_id"}
            tx.touch(collection, {"_id": document["_id"]}, {"$set": kept}, upsert=True)
            tx.record(event)

        await self.plaza.commit(write)

    async def _change(self, collection: str, document_id: str, names: Sequence[str], event: Event) -> None:
        async def write(tx: Transaction) -> None:
            tx.touch(collection, {"_id": document_id}, {"$set": _names(names)})
            tx.record(event)

        await self.plaza.commit(write)

    async def _take_back(self, document_id: str, act: interactions.Act, event: Event) -> None:
        gone = {act: "", **({"reposted_by": ""} if act == "repost_id" else {})}

        async def write(tx: Transaction) -> None:
            tx.touch("interactions", {"_id": document_id}, {"$unset": gone})
            tx.clear("interactions", {"_id": document_id, **dict.fromkeys(interactions.ACTS)})
            tx.record(event)

        await self.plaza.commit(write)

    async def _delete(self, collection: str, document_id: str, event: Event) -> None:
        async def write(tx: Transaction) -> None:
            tx.clear(collection, {"_id": document_id})
            tx.record(event)

        await self.plaza.commit(write)


def _names(names: Sequence[str]) -> Document:
    entities = [{"kind": "mention", "start": 0, "end": 1, "key": "x", "user_id": each} for each in names]
    return {"mentions": list(names), "entities": entities}


def _of_comment(
    post_id: str, comment_id: str, by: Person, author: Person, to: tuple[str, Person] | None
) -> dict[str, Any]:
    parent = {"parent_id": to[0], "parent_author_id": to[1].id} if to else {}
    return {"post_id": post_id, "author_id": author.id, "comment_id": comment_id, "by": by.id, **parent}
