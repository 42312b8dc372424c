"""The live view of a home timeline."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from plaza_client.core import merging
from plaza_client.core.packets import Event
from plaza_client.core.view import Effect, Listed, Status, View
from plaza_client.errors import PlazaError
from plaza_client.models import (
    BookmarkState,
    Feed,
    FeedPost,
    FeedPostPublic,
    LikeState,
    Post,
    PostGone,
    PostPublic,
    PostStats,
    RepostState,
)
from plaza_client.received import Received

MOST_AHEAD = 200  # posts


@dataclass
class FeedView(View[Sequence[Feed]]):
    """Posts by their place, the greatest first; a deleted post does not come back by a late event."""

    EVENTS = frozenset({"feed.post", "feed.changed", "post.updated", "post.deleted", "post.stats"})

    _posts: dict[str, FeedPost] = field(default_factory=dict)
    _deleted: set[str] = field(default_factory=set)
    _ahead: dict[str, list[Received]] = field(default_factory=dict)  # answers to acts on posts that are not here yet
    _more: bool = False

    def snapshot(self, status: Status, error: PlazaError | None) -> Listed[FeedPost]:
        items = sorted(self._posts.values(), key=lambda each: each.place, reverse=True)
        return Listed(status, error, tuple(items), self._more)

    def _replace(self, fetched: Sequence[Feed]) -> None:
        self._posts = {post.id: post for page in fetched for post in page.items if post.id not in self._deleted}
        self._ahead = {post_id: kept for post_id, kept in self._ahead.items() if post_id not in self._posts}
        self._more = fetched[-1].next is not None

    def _happened(self, event: Event) -> Effect:
        match event.name:
            case "feed.post":
                return self._add(_line(event.data))
            case "post.updated":
                return self._merge(PostPublic.model_validate(event.data))
            case "post.stats":
                stats = PostStats.model_validate(event.data)
                return self._merge(stats, stats.post_id)
            case "post.deleted":
                return self._delete(PostGone.model_validate(event.data))
        return Effect.STALE

    def _answered(self, answer: Received) -> Effect:
        if isinstance(answer, PostGone):
            return self._delete(answer)
        if isinstance(answer, Post) and answer.id not in self._posts:
            return self._add(answer)
        before = self._posts
        if isinstance(answer, LikeState | RepostState | BookmarkState) and self._is_ahead(answer.post_id):
            self._keep_ahead(answer.post_id, answer)
        self._posts = {each: merging.own_post(post, answer) for each, post in before.items()}
        return Effect.NOTHING if self._posts == before else Effect.CHANGED

    def _add(self, news: FeedPostPublic | Post) -> Effect:
        if news.id in self._posts:
            return self._merge(news)
        place = news.place if isinstance(news, FeedPostPublic) else news.id
        if news.id in self._deleted or self._is_below(place):
            return Effect.NOTHING
        post = FeedPost.model_validate(news.model_dump() | {"place": place, "liked": _liked(news)})
        for answer in self._ahead.get(news.id, ()):  # an event knows nothing of what its reader did
            post = merging.own_post(post, answer)
        if self._since is None:  # else what is being fetched may be without the post, and the event comes once more
            self._ahead.pop(news.id, None)
        self._posts[news.id] = post
        return Effect.CHANGED

    def _is_ahead(self, post_id: str) -> bool:
        """Return whether a post is not here yet, or may go again with what is being fetched."""
        return post_id not in self._posts or post_id in self._ahead

    def _keep_ahead(self, post_id: str, answer: Received) -> None:
        """Keep an answer until its post comes: a post that was found elsewhere may be liked before it is here."""
        kept = [each for each in self._ahead.pop(post_id, ()) if type(each) is not type(answer)]
        self._ahead[post_id] = [*kept, answer]
        if len(self._ahead) > MOST_AHEAD:
            del self._ahead[next(iter(self._ahead))]

    def _merge(self, news: FeedPostPublic | PostPublic | Post | PostStats, post_id: str = "") -> Effect:
        post_id = post_id or news.id  # type: ignore[union-attr]
        if (known := self._posts.get(post_id)) is None:
            return Effect.NOTHING
        self._posts[post_id] = merging.post(known, news)
        return Effect.NOTHING if self._posts[post_id] is known else Effect.CHANGED

    def _delete(self, gone: PostGone) -> Effect:
        self._deleted.add(gone.post_id)
        return Effect.CHANGED if self._posts.pop(gone.post_id, None) else Effect.NOTHING

    def _is_below(self, place: str) -> bool:
        return self._more and bool(self._posts) and place < min(post.place for post in self._posts.values())


def _line(data: dict[str, Any]) -> FeedPostPublic:
    """Return the line that an event brings; a server of an older release pushes no reposts, and names no place."""
    return FeedPostPublic.model_validate({"place": data["id"], **data})


def _liked(news: FeedPostPublic | Post) -> bool:
    return news.liked if isinstance(news, Post) else False
