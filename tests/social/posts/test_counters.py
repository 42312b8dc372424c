"""The table of counters agrees with the documents, the events and the shapes that know counters too."""

from typing import get_type_hints

import pytest

from social.contracts.comments import CommentPublic, CommentStats
from social.contracts.events import EVENTS, CommentEdited, Group, Recounted, SuspensionCounted
from social.contracts.people import ProfilePublic
from social.contracts.posts import PostPublic, PostStats
from social.contracts.pushes import UserStats
from social.infra.store.rows import COMMENTS, POSTS, USERS, CommentCounts, PersonCounts, PostCounts
from social.posts.counters import COUNTERS

ROWS = {POSTS: PostCounts, COMMENTS: CommentCounts, USERS: PersonCounts}
SHAPES = {POSTS: (PostPublic, PostStats), COMMENTS: (CommentPublic, CommentStats), USERS: (ProfilePublic, UserStats)}
CHANGE_NO_COUNT = {CommentEdited, Recounted, SuspensionCounted}  # of those that the consumer of counts receives


@pytest.mark.parametrize("collection", COUNTERS)
def test_each_counter_is_a_field_of_its_documents_and_of_the_shapes_that_show_them(collection: str) -> None:
    assert list(COUNTERS[collection]) == list(get_type_hints(ROWS[collection]))
    for shape in SHAPES[collection]:
        assert {*COUNTERS[collection], "version"} <= shape.model_fields.keys(), shape


def test_each_event_of_the_consumer_of_counts_changes_a_counter_and_names_its_document() -> None:
    changing = set()
    for counters in COUNTERS.values():
        for name, counter in counters.items():
            assert counter.more, name
            assert counter.less, name
            for event in (*counter.more, *counter.less):
                assert counter.event_field in event.model_fields, (name, event)
                changing.add(event)
    assert changing | CHANGE_NO_COUNT == {each for each in EVENTS.values() if Group.COUNTERS in each.groups}
