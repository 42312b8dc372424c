"""The live view of the comments under a post, or of the replies to one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from plaza_client.core import merging
from plaza_client.core.packets import Event
from plaza_client.core.view import Effect, Listed, Status, View
from plaza_client.errors import PlazaError
from plaza_client.models import Comment, CommentGone, CommentPublic, Comments, CommentStats, PostGone
from plaza_client.received import Received

Sort = Literal["newest", "oldest"]


@dataclass
class CommentsView(View[Sequence[Comments]]):
    """Comments by their ids, which grow with time; a deleted comment does not come back by a late event."""

    EVENTS = frozenset({"comment.created", "comment.updated", "comment.stats", "comment.deleted", "post.deleted"})

    post_id: str
    parent_id: str | None = None
    sort: Sort = "newest"
    _comments: dict[str, Comment] = field(default_factory=dict)
    _deleted: set[str] = field(default_factory=set)
    _more: bool = False

    def snapshot(self, status: Status, error: PlazaError | None) -> Listed[Comment]:
        items = sorted(self._comments.values(), key=lambda each: each.id, reverse=self.sort == "newest")
        return Listed(status, error, tuple(items), self._more)

    def _replace(self, fetched: Sequence[Comments]) -> None:
        every = (comment for page in fetched for comment in page.items)
        self._comments = {comment.id: comment for comment in every if comment.id not in self._deleted}
        self._more = bool(fetched) and fetched[-1].next is not None

    def _happened(self, event: Event) -> Effect:
        match event.name:
            case "post.deleted":
                return self._delete_all() if event.data["post_id"] == self.post_id else Effect.NOTHING
            case "comment.deleted":
                return self._delete(CommentGone.model_validate(event.data))
            case "comment.stats":
                stats = CommentStats.model_validate(event.data)
                return self._merge(stats.comment_id, stats)
        news = CommentPublic.model_validate(event.data)
        return self._add(news) if event.name == "comment.created" else self._merge(news.id, news)

    def _answered(self, answer: Received) -> Effect:
        if isinstance(answer, CommentGone):
            return self._delete(answer)
        if isinstance(answer, PostGone):
            return self._delete_all() if answer.post_id == self.post_id else Effect.NOTHING
        if isinstance(answer, Comment) and answer.id not in self._comments:
            return self._add(answer)
        before = self._comments
        self._comments = {each: merging.own_comment(comment, answer) for each, comment in before.items()}
        return Effect.NOTHING if self._comments == before else Effect.CHANGED

    def _add(self, news: CommentPublic | Comment) -> Effect:
        if (news.post_id, news.parent_id) != (self.post_id, self.parent_id) or news.id in self._deleted:
            return Effect.NOTHING
        if news.id in self._comments:
            return self._merge(news.id, news)
        if not self._is_below(news.id):
            self._comments[news.id] = Comment.model_validate(news.model_dump())
            return Effect.CHANGED
        return Effect.NOTHING

    def _merge(self, comment_id: str, news: Comment | CommentPublic | CommentStats) -> Effect:
        if (known := self._comments.get(comment_id)) is None:
            return Effect.NOTHING
        self._comments[comment_id] = merging.comment(known, news)
        return Effect.NOTHING if self._comments[comment_id] is known else Effect.CHANGED

    def _delete(self, gone: CommentGone) -> Effect:
        if gone.comment_id == self.parent_id:
            return self._delete_all()
        self._deleted.add(gone.comment_id)
        return Effect.CHANGED if self._comments.pop(gone.comment_id, None) else Effect.NOTHING

    def _delete_all(self) -> Effect:
        self._deleted |= self._comments.keys()
        self._comments, self._more = {}, False
        return Effect.CHANGED

    def _is_below(self, comment_id: str) -> bool:
        """Return whether a comment belongs to the part of the list that is not loaded."""
        if not self._more or not self._comments:
            return False
        return comment_id < min(self._comments) if self.sort == "newest" else comment_id > max(self._comments)
