"""Stored fingerprints of idempotency keys name their verbs as every release does."""

from collections.abc import Callable
from typing import Any

import pytest

from social.infra.process.plaza import stored_name
from social.ops import reports
from social.people import follows
from social.posts import bookmarks, comments, edits, likes, media, publishing, reposts

NAMES: dict[Callable[..., Any], str] = {
    publishing.publish: "social.posts.publish",
    publishing.delete: "social.posts.delete",
    edits.edit: "social.edits.edit",
    comments.add: "social.comments.add",
    comments.edit: "social.comments.edit",
    comments.delete: "social.comments.delete",
    likes.like: "social.likes.like",
    likes.unlike: "social.likes.unlike",
    likes.like_comment: "social.likes.like_comment",
    likes.unlike_comment: "social.likes.unlike_comment",
    reposts.repost: "social.reposts.repost",
    reposts.unrepost: "social.reposts.unrepost",
    bookmarks.bookmark: "social.bookmarks.bookmark",
    bookmarks.unbookmark: "social.bookmarks.unbookmark",
    follows.follow: "social.follows.follow",
    follows.unfollow: "social.follows.unfollow",
    media.begin: "social.media.begin",
    reports.file: "social.reports.file",
}


@pytest.mark.parametrize(("verb", "name"), NAMES.items(), ids=NAMES.values())
def test_a_verb_keeps_its_name_wherever_its_module_moves(verb: Callable[..., Any], name: str) -> None:
    """A retry may meet a process of the release before, or the row that it wrote."""
    assert stored_name(verb) == name
