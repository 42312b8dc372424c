"""Merging versions of one thing: texts follow `rev`, counts follow `version`, and neither ever goes back."""

from typing import TypeVar

from plaza_client.models import (
    BookmarkState,
    Comment,
    CommentLikeState,
    CommentPublic,
    CommentStats,
    FeedPost,
    FeedPostPublic,
    LikeState,
    Post,
    PostPublic,
    PostStats,
    RepostState,
)
from plaza_client.received import Received

P = TypeVar("P", Post, FeedPost)

COUNTS = ("likes", "comments", "reposts", "replies", "version")
OF_THE_VIEWER = ("liked", "reposted", "bookmarked")
WRITTEN = ("author", "text", "entities", "media", "visibility", "edited_at", "rev")


def post(known: P, news: Post | PostPublic | FeedPostPublic | PostStats) -> P:
    """Return a post with newer texts and counts; what only the viewer knows stays as it is."""
    return _merged(known, news)


def comment(known: Comment, news: Comment | CommentPublic | CommentStats) -> Comment:
    """Return a comment with newer texts and counts; what only the viewer knows stays as it is."""
    return _merged(known, news)


def own_post(known: P, answer: Received) -> P:
    """Return a post after a write of the viewer's own was answered; other answers change nothing."""
    match answer:
        case (LikeState() | RepostState() | BookmarkState()) as state if state.post_id == known.id:
            return _seen(_merged(known, state), state)
        case Post() as written if written.id == known.id:
            return _seen(_merged(known, written), written)
    return known


def own_comment(known: Comment, answer: Received) -> Comment:
    """Return a comment after a write of the viewer's own was answered; other answers change nothing."""
    match answer:
        case CommentLikeState() as state if state.comment_id == known.id:
            return _seen(_merged(known, state), state)
        case Comment() as written if written.id == known.id:
            return _seen(_merged(known, written), written)
    return known


M = TypeVar("M", bound=Received)


def _merged(known: M, news: Received) -> M:
    change: dict[str, object] = {}
    if getattr(news, "rev", -1) > getattr(known, "rev", 0):
        change |= _fields(news, WRITTEN)
    if getattr(news, "version", -1) > getattr(known, "version", 0):
        change |= _fields(news, COUNTS)
    return known.model_copy(update=change) if change else known


def _seen(known: M, news: Received) -> M:
    change = _fields(news, OF_THE_VIEWER)
    return known.model_copy(update=change) if any(getattr(known, name) != change[name] for name in change) else known


def _fields(news: Received, names: tuple[str, ...]) -> dict[str, object]:
    return {name: getattr(news, name) for name in names if name in type(news).model_fields}
