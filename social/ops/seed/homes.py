"""Home timelines of a history: the entries that fan-out and follows would have left in them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from social.feeds import timelines
from social.infra.store.rows import FeedEntryRow, TimelineRow
from social.ops.seed.history import Person, Post, Repost
from social.posts import publishing


class Homes:
    """The timelines of people, who follow `followees` since when."""

    def __init__(self, posts: Iterable[Post], reposts: Iterable[Repost]) -> None:
        self._posts: dict[Person, list[Post]] = defaultdict(list)
        self._reposts: dict[Person, list[Repost]] = defaultdict(list)
        for post in posts:
            self._posts[post.by].append(post)
        for repost in reposts:
            self._reposts[repost.by].append(repost)

    def of(self, owner: Person, followees: Mapping[Person, datetime]) -> tuple[TimelineRow, list[FeedEntryRow]]:
        """Return a timeline and its entries; of too many of them the newest, and the floor under these."""
        timeline = timelines.new(owner.id)
        found = [
            *(_entry(owner, post, arrived=post.at) for post in self._posts[owner]),
            *(
                _entry(owner, post, arrived=post.at if since <= post.at else None)
                for author, since in followees.items()
                for post in self._posts[author]
            ),
            *self._brought(owner, followees),
        ]
        if len(found) > timelines.CAP:
            found = sorted(found, key=lambda entry: entry["place"])[-timelines.CAP :]
            timeline["floor"] = found[0]["place"]
        return timeline, found

    def _brought(self, owner: Person, followees: Mapping[Person, datetime]) -> Iterator[FeedEntryRow]:
        """Yield the entries of posts that are there by reposts alone: their authors are not followed."""
        by_post: dict[Post, list[tuple[datetime, Repost]]] = defaultdict(list)
        for reposter, since in followees.items():
            for repost in self._reposts[reposter]:
                author = repost.post.by
                if author is not owner and author not in followees:
                    by_post[repost.post].append((max(since, repost.at), repost))
        for post, reposts in by_post.items():
            came, first = min(reposts, key=lambda each: (each[0], each[1].id))
            entry = _entry(owner, post, arrived=came if came == first.at else None)
            in_order = sorted((repost for _, repost in reposts), key=lambda repost: repost.id)
            entry["place"] = in_order[0].id
            entry["reposts"] = [{"by": each.by.id, "id": each.id} for each in in_order]
            yield entry


def _entry(owner: Person, post: Post, *, arrived: datetime | None) -> FeedEntryRow:
    entry = publishing.entry(owner.id, post.id, post.by.id)
    if arrived is not None:
        entry["arrived"] = arrived
    return entry
