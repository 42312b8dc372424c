"""The Python client's core: frames, the order of the stream, and views, without a server."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.docs.asyncapi import EXAMPLES, document
from plaza_client import models
from plaza_client.core import feed, packets
from plaza_client.core.comments import CommentsView
from plaza_client.core.feed import FeedView
from plaza_client.core.notifications import NotificationsView
from plaza_client.core.packets import Acked, Connected, Ended, Event, Opened, Pinged, Refused
from plaza_client.core.post import PostView
from plaza_client.core.presence import PresenceView
from plaza_client.core.retrying import renew_after_s
from plaza_client.core.stream import Inbox, Stream
from plaza_client.core.view import Effect
from plaza_client.errors import NotFound, RateLimited, Unavailable, refusal

PUSHED = json.loads(EXAMPLES.read_text())["pushed"]
BODIES = {
    each["name"]: each["payload"]["$ref"].rpartition("/")[2]
    for name, each in document()["components"]["messages"].items()
    if name.startswith("push.")
}
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def event(seq: int, epoch: str = "5f0c2b7e") -> Event:
    return Event("notification", {"number": seq}, f"{epoch}.{seq}")


def numbers(events: list[Event]) -> list[int]:
    return [each.data["number"] for each in events]


def answer(*seqs: int, upto: int, recovered: bool = True) -> dict[str, Any]:
    events = [{"event": each.name, "data": each.data, "offset": each.offset} for each in map(event, seqs)]
    return {"recovered": recovered, "events": events, "offset": f"5f0c2b7e.{upto}"}


@pytest.mark.parametrize("name", PUSHED)
def test_every_event_is_decoded_and_has_a_model(name: str) -> None:
    body, offset = PUSHED[name]["body"], PUSHED[name].get("offset")
    found = packets.decode("42" + json.dumps([name, body, *([offset] if offset else [])]))
    assert found == Event(name, body, offset)
    model = getattr(models, BODIES[name])
    assert set(model.model_validate(body).model_fields_set) == set(body)


@pytest.mark.parametrize(
    ("frame", "packet"),
    [
        ('0{"sid":"one.1","pingInterval":25000,"pingTimeout":20000}', Opened("one.1", 45.0)),
        ('40{"sid":"a","pid":"b"}', Connected("b")),
        ('44{"message":"no","data":{"code":"token_expired"}}', Refused({"code": "token_expired"})),
        ('4312[{"ok":true,"data":[1]}]', Acked(12, {"ok": True, "data": [1]})),
        ("2", Pinged()),
        ("41", Ended()),
        ("1", Ended()),
        ("6", None),
    ],
)
def test_a_frame_is_what_it_says(frame: str, packet: packets.Packet | None) -> None:
    assert packets.decode(frame) == packet


def test_a_new_client_connects_without_a_place_and_one_that_returns_with_it() -> None:
    assert packets.connect("t") == '40{"token":"t"}'
    assert packets.connect("t", "p", "e.1") == '40{"token":"t","pid":"p","offset":"e.1"}'
    assert packets.message(3, "sync", {"after": "e.1"}) == '423["sync",{"after":"e.1"}]'


def test_a_stream_from_the_beginning_misses_what_comes_before_the_first_event() -> None:
    assert Stream(from_the_beginning=True).take("5f0c2b7e.3").missed == 2
    assert Stream().take("5f0c2b7e.3").missed == 0


def test_a_repeated_event_is_dropped_and_counted() -> None:
    inbox = Inbox()
    assert numbers(inbox.push(event(1)) + inbox.push(event(1)) + inbox.push(event(2))) == [1, 2]
    assert (inbox.repeated, inbox.missed) == (1, 0)


def test_a_hole_holds_what_comes_after_it_until_it_is_filled() -> None:
    inbox = Inbox()
    inbox.push(event(1))
    assert inbox.push(event(4)) == inbox.push(event(5)) == []
    assert inbox.holding
    joined = inbox.catch_up(answer(2, 3, 4, upto=4))
    assert (numbers(joined.events), joined.gap, inbox.missed) == ([2, 3, 4, 5], False, 2)
    assert inbox.push(event(5)) == []
    assert inbox.stream.offset == "5f0c2b7e.5"


def test_a_hint_is_never_held() -> None:
    inbox = Inbox()
    inbox.hold()
    assert inbox.push(Event("typing", {})) == [Event("typing", {})]


def test_what_cannot_be_recovered_is_a_gap_after_which_the_stream_goes_on() -> None:
    inbox = Inbox()
    inbox.push(event(1))
    inbox.hold()
    inbox.push(event(901))
    joined = inbox.catch_up(answer(upto=900, recovered=False))
    assert (numbers(joined.events), joined.gap) == ([901], True)
    assert numbers(inbox.push(event(902))) == [902]


def test_a_push_that_sync_had_read_already_is_no_repetition_of_the_servers() -> None:
    inbox = Inbox()
    inbox.push(event(1))
    inbox.hold()
    inbox.catch_up(answer(2, 3, upto=3))
    assert inbox.push(event(3)) == []
    assert inbox.repeated == 0


@given(st.lists(st.sampled_from(["push", "drop and resume", "drop and sync", "lose"]), max_size=60))
def test_however_a_connection_behaves_each_event_comes_once_and_in_order(steps: list[str]) -> None:
    inbox, got, last, sent = Inbox(), [], 1, 1
    got += inbox.push(event(1))
    for step in steps:
        last += 1
        if step == "push":
            got += inbox.push(event(last))
        elif step == "drop and resume":  # the server sends what was missed
            inbox.hold()
            got += inbox.resume()
            for number in range(sent + 1, last + 1):
                got += inbox.push(event(number))
        elif step == "drop and sync":  # while live pushes come already
            inbox.hold()
            got += inbox.push(event(last))
        if inbox.holding:
            got += inbox.catch_up(answer(*range(len(got) + 1, last + 1), upto=last)).events
        sent = len(got)
    got += inbox.push(event(last + 1))
    if inbox.holding:
        got += inbox.catch_up(answer(*range(len(got) + 1, last + 2), upto=last + 1)).events
    assert numbers(got) == list(range(1, last + 2))


def group(number: int, **fields: Any) -> dict[str, Any]:
    at = (NOW + timedelta(seconds=number)).isoformat()
    about = {"type": "like", "target": {"kind": "post", "id": "p"}, "actors": [], "count": 1, "rev": 1}
    return {"id": f"n{number}", **about, "created_at": at, "updated_at": at, "read_at": None, **fields}


def shown(*groups: dict[str, Any], unread: int, upto: int = 0, more: bool = False) -> models.Notifications:
    body = {"items": groups, "offset": f"5f0c2b7e.{upto}", "unread": unread, "next": "older" if more else None}
    return models.Notifications.model_validate(body)


def pushed(name: str, data: dict[str, Any], seq: int) -> Event:
    return Event(name, data, f"5f0c2b7e.{seq}")


def test_an_event_that_the_snapshot_has_already_changes_nothing() -> None:
    view = NotificationsView()
    view.loaded([shown(group(1, rev=2, count=2), unread=1, upto=2)])
    assert view.take(pushed("notification", group(1), 1)) is Effect.NOTHING
    assert view.snapshot("ready", None).items[0].count == 2


def test_an_event_that_comes_while_fetching_is_in_the_snapshot() -> None:
    view = NotificationsView()
    view.begin()
    view.take(pushed("notification", group(2), 3))
    view.take(pushed("notification.removed", {"id": "n1", "rev": 2}, 4))
    view.loaded([shown(group(1), unread=1, upto=2)])
    now = view.snapshot("ready", None)
    assert ([each.id for each in now.items], now.unread) == (["n2"], 1)


def test_a_removed_group_does_not_come_back_by_an_older_revision() -> None:
    view = NotificationsView()
    view.loaded([shown(unread=0)])
    view.take(pushed("notification.removed", {"id": "n1", "rev": 2}, 1))
    assert view.take(pushed("notification", group(1), 2)) is Effect.NOTHING
    assert view.take(pushed("notification.updated", group(1, rev=3), 3)) is Effect.CHANGED


def test_reading_up_to_a_time_reads_what_changed_until_then() -> None:
    view = NotificationsView()
    view.loaded([shown(group(2), group(1), unread=2)])
    until = (NOW + timedelta(seconds=1)).isoformat()
    view.take(pushed("notifications.read", {"unread": 1, "ids": None, "all_until": until}, 1))
    assert [each.read_at is None for each in view.snapshot("ready", None).items] == [True, False]
    assert view.snapshot("ready", None).unread == 1


def test_what_concerns_a_part_that_is_not_loaded_is_fetched() -> None:
    view = NotificationsView()
    view.loaded([shown(group(5), unread=3, more=True)])
    assert view.snapshot("ready", None).unread == 3
    assert view.take(pushed("notification", group(6), 1)) is Effect.CHANGED
    assert view.snapshot("ready", None).unread == 4
    assert view.take(pushed("notification.removed", {"id": "n1", "rev": 2}, 2)) is Effect.STALE


POST = PUSHED["feed.post"]["body"]


def of_feed(post: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**post, "place": post["id"], "liked": False, "reposted": False, "bookmarked": False, **fields}


def test_a_post_that_was_deleted_does_not_come_back_by_a_late_push() -> None:
    view = FeedView()
    view.loaded([models.Feed.model_validate({"items": [of_feed(POST)]})])
    view.take(Event("post.deleted", {"post_id": POST["id"]}))
    assert view.take(Event("feed.post", POST)) is Effect.NOTHING
    assert view.snapshot("ready", None).items == ()
    assert view.take(Event("feed.changed", {"reason": "followed"})) is Effect.STALE


def test_a_repost_stands_at_its_place_once_and_a_later_one_moves_nothing() -> None:
    view, older = FeedView(), {**POST, "id": "0" * 24}
    view.loaded([models.Feed.model_validate({"items": [of_feed(POST)]})])
    by = {**POST["author"], "username": "bob"}
    assert view.take(Event("feed.post", {**older, "place": "f" * 24, "reposted_by": by})) is Effect.CHANGED
    assert view.take(Event("feed.post", {**older, "place": "f" * 24, "reposted_by": by})) is Effect.NOTHING
    items = view.snapshot("ready", None).items
    assert [(each.id, each.reposted_by and each.reposted_by.username) for each in items] == [
        (older["id"], "bob"),
        (POST["id"], None),
    ]


def test_a_post_that_was_liked_before_it_came_is_shown_as_liked() -> None:
    view = FeedView()
    view.loaded([models.Feed.model_validate({"items": []})])
    state = {"post_id": POST["id"], "likes": 1, "version": POST["version"] + 1}
    for liked in (False, True):
        view.take(models.LikeState.model_validate({**state, "liked": liked}))
    view.take(models.BookmarkState.model_validate({"post_id": POST["id"], "bookmarked": True}))
    assert view.take(Event("feed.post", POST)) is Effect.CHANGED
    (shown,) = view.snapshot("ready", None).items
    assert (shown.liked, shown.bookmarked, shown.likes) == (True, True, 1)


@pytest.mark.parametrize("unliked", [False, True])
def test_a_post_that_comes_while_a_timeline_without_it_is_fetched_is_shown_as_it_was_liked(unliked: bool) -> None:
    view, empty = FeedView(), models.Feed.model_validate({"items": []})
    like = {"post_id": POST["id"], "liked": True, "likes": 1, "version": POST["version"] + 1}
    view.loaded([empty])
    view.take(models.LikeState.model_validate(like))
    view.begin()
    view.take(Event("feed.post", POST))
    if unliked:
        view.take(models.LikeState.model_validate({**like, "liked": False, "version": POST["version"] + 2}))
    view.loaded([empty])
    (shown,) = view.snapshot("ready", None).items
    assert shown.liked is not unliked


def test_a_fetch_knows_better_than_an_earlier_answer() -> None:
    view = FeedView()
    view.loaded([models.Feed.model_validate({"items": []})])
    view.take(models.BookmarkState.model_validate({"post_id": POST["id"], "bookmarked": True}))
    view.loaded([models.Feed.model_validate({"items": [of_feed(POST)]})])
    view.loaded([models.Feed.model_validate({"items": []})])
    view.take(Event("feed.post", POST))
    (shown,) = view.snapshot("ready", None).items
    assert not shown.bookmarked


def test_acts_on_posts_that_never_come_are_forgotten() -> None:
    view = FeedView()
    view.loaded([models.Feed.model_validate({"items": []})])
    for number in range(2 * feed.MOST_AHEAD):
        view.take(models.BookmarkState.model_validate({"post_id": f"{number:024x}", "bookmarked": True}))
    assert len(view._ahead) == feed.MOST_AHEAD


def test_an_older_text_or_count_never_replaces_a_newer_one() -> None:
    view = PostView(POST["id"])
    view.loaded(models.Post.model_validate(of_feed(POST, rev=2, version=5, likes=3, liked=True, text="new")))
    assert view.take(Event("post.updated", {**POST, "rev": 1, "version": 4, "text": "old"})) is Effect.NOTHING
    stats = {"post_id": POST["id"], "likes": 4, "comments": 0, "reposts": 0}
    assert view.take(Event("post.stats", {**stats, "version": 5})) is Effect.NOTHING
    assert view.take(Event("post.stats", {**stats, "version": 6})) is Effect.CHANGED
    post = view.snapshot("ready", None).value
    assert post
    assert (post.text, post.likes, post.liked) == ("new", 4, True)
    assert view.take(models.LikeState(post_id=post.id, liked=False, likes=3, version=7)) is Effect.CHANGED
    assert view.take(Event("post.deleted", {"post_id": POST["id"]})) is Effect.CHANGED
    assert view.snapshot("ready", None).value is None


def test_comments_are_those_of_the_post_and_of_the_parent() -> None:
    comment = PUSHED["comment.created"]["body"]
    reply = {**comment, "id": "f" * 24, "parent_id": comment["id"]}
    top, replies = CommentsView(comment["post_id"]), CommentsView(comment["post_id"], comment["id"], "oldest")
    for view in (top, replies):
        view.loaded([])
        view.take(Event("comment.created", comment))
        view.take(Event("comment.created", reply))
    assert [each.id for each in top.snapshot("ready", None).items] == [comment["id"]]
    assert [each.id for each in replies.snapshot("ready", None).items] == [reply["id"]]
    gone = {"comment_id": comment["id"], "post_id": comment["post_id"], "parent_id": None}
    for view in (top, replies):
        assert view.take(Event("comment.deleted", gone)) is Effect.CHANGED
        assert view.snapshot("ready", None).items == ()


def test_presence_is_the_newest_by_its_version_and_only_of_those_asked_for() -> None:
    view = PresenceView(("ada", "bob"))
    person = {"user_id": "ada", "online": True, "last_seen_at": None, "version": 5}
    view.loaded(models.PresenceSnapshot.model_validate({"people": [person]}))
    assert view.take(Event("presence", {**person, "online": False, "version": 4})) is Effect.NOTHING
    assert view.take(Event("presence", {**person, "user_id": "eve"})) is Effect.NOTHING
    assert view.take(Event("presence", {**person, "online": False, "version": 6})) is Effect.CHANGED
    assert [each.online for each in view.snapshot("ready", None).items] == [False]


def test_a_refusal_has_the_class_of_its_status_and_names_fields() -> None:
    problem = {"code": "validation_failed", "errors": [{"pointer": "/text", "code": "x", "detail": "is too long"}]}
    assert refusal(422, problem).fields == {"/text": "is too long"}
    assert isinstance(refusal(404, {"code": "not_found"}), NotFound)
    assert isinstance(refusal(503, "<html>"), Unavailable)
    limited = refusal(429, {}, 2.0)
    assert isinstance(limited, RateLimited)
    assert limited.retry_after_s == 2.0


def test_a_token_is_renewed_before_it_expires() -> None:
    assert renew_after_s(600) == 480
