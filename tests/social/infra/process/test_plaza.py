"""The events that commit with a write; and the names of verbs in stored fingerprints of idempotency keys."""

from collections.abc import Callable
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from embedded.local_broker import LocalBroker
from social.contracts.events import PostLiked
from social.infra.broker.outbox import Outbox
from social.infra.process.plaza import Plaza, stored_name
from social.infra.store.mongo import Mongo, Transaction
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


async def act(tx: Transaction) -> None:
    """Write a row, and say so."""
    tx.insert("inbox", {"_id": "act"})
    tx.record(PostLiked(post_id="a" * 24, author_id="b" * 24, by="c" * 24))


async def test_an_event_is_in_the_outbox_when_its_write_has_just_been_committed(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo = Mongo(mongo_url, mongo_database)
    outbox = Outbox(mongo)
    plaza = Plaza.over(mongo, FakeAsyncRedis(), LocalBroker(mongo, outbox), outbox)
    commit = mongo.commits.commit

    async def dies(*args: Any, **kwargs: Any) -> None:
        await commit(*args, **kwargs)
        raise SystemError("the process ends here")

    monkeypatch.setattr(mongo.commits, "commit", dies)
    with pytest.raises(SystemError):
        await plaza.commit(act)
    found = [await mongo.many(each, {}, fields={"_id": 1}) for each in ("inbox", "outbox")]
    await plaza.close()
    assert [len(each) for each in found] == [1, 1]
