"""The live view of a post."""

from dataclasses import dataclass

from plaza_client.core import merging
from plaza_client.core.packets import Event
from plaza_client.core.view import Effect, Single, Status, View
from plaza_client.errors import PlazaError
from plaza_client.models import Post, PostGone, PostPublic, PostStats
from plaza_client.received import Received


@dataclass
class PostView(View[Post | None]):
    """A post with its live counts; None once it is deleted or hidden."""

    EVENTS = frozenset({"post.updated", "post.stats", "post.deleted"})

    post_id: str
    _post: Post | None = None

    def snapshot(self, status: Status, error: PlazaError | None) -> Single[Post]:
        return Single(status, error, self._post)

    def _replace(self, fetched: Post | None) -> None:
        self._post = fetched

    def _happened(self, event: Event) -> Effect:
        if event.name == "post.deleted":
            return self._delete(PostGone.model_validate(event.data))
        news = PostStats.model_validate(event.data) if event.name == "post.stats" else PostPublic(**event.data)
        about = news.post_id if isinstance(news, PostStats) else news.id
        if about != self.post_id or self._post is None:
            return Effect.NOTHING
        return self._keep(merging.post(self._post, news))

    def _answered(self, answer: Received) -> Effect:
        if isinstance(answer, PostGone):
            return self._delete(answer)
        return Effect.NOTHING if self._post is None else self._keep(merging.own_post(self._post, answer))

    def _delete(self, gone: PostGone) -> Effect:
        return self._keep(None) if gone.post_id == self.post_id else Effect.NOTHING

    def _keep(self, post: Post | None) -> Effect:
        before, self._post = self._post, post
        return Effect.NOTHING if post is before else Effect.CHANGED
