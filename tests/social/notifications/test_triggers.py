"""Every event that the notifications group consumes is in the tables of triggers, and every undoing one undoes."""

from collections import Counter
from typing import Any, get_args

import pytest

from social.contracts.events import EVENTS, Event, Group, NotificationsChanged, NotificationsRead
from social.contracts.notifications import NotificationType
from social.notifications import triggers

ID = "0" * 24
ABOUT_NOBODY = (NotificationsRead, NotificationsChanged)  # of notifications that exist: they cause none
TABLES = (triggers.NEW, triggers.UNDOING, triggers.EDITING, triggers.REMOVING, ABOUT_NOBODY)
BOTH_WAYS = {"PostLiked": "PostUnliked", "PostReposted": "PostUnreposted", "CommentLiked": "CommentUnliked"}
BOTH_WAYS |= {
    "CommentAdded": "CommentDeleted",
    "UserFollowed": "UserUnfollowed",
    "FollowRequested": "FollowRequestClosed",
}


def of_everybody(event: type[Event]) -> Event:
    """Return an event of this type in which every id is another one."""
    ids = {name: f"{number:024x}" for number, name in enumerate(sorted(event.model_fields))}
    return event.model_construct(**{name: [] if name == "mentions" else ids[name] for name in event.model_fields})


def test_every_event_about_notifications_is_in_one_table() -> None:
    consumed = {each.__name__ for each in EVENTS.values() if Group.NOTIFICATIONS in each.groups}
    assert Counter(each.__name__ for table in TABLES for each in table) == dict.fromkeys(consumed, 1)


def test_every_undoing_event_undoes_a_new_one() -> None:
    assert set(BOTH_WAYS.values()) == {each.__name__ for each in triggers.UNDOING}


@pytest.mark.parametrize(("new", "undoing"), BOTH_WAYS.items())
def test_an_undoing_event_has_the_triggers_of_what_it_undoes(new: str, undoing: str) -> None:
    def facts(name: str) -> set[Any]:
        found: set[Any] = set()
        for each in triggers.of(of_everybody(EVENTS[name])):
            found.add((each.type, each.kind))
        return found

    assert EVENTS[undoing] in triggers.UNDOING
    assert facts(new) <= facts(undoing)


def test_every_type_of_notification_has_a_trigger() -> None:
    new = [*triggers.NEW, *triggers.EDITING]
    named = [
        of_everybody(each).model_copy(update={"mentions": [ID]}) for each in new if "mentions" in each.model_fields
    ]
    found = {each.type for event in [*map(of_everybody, new), *named] for each in triggers.of(event)}
    assert found == set(get_args(NotificationType))
