"""Notifications of a history: grouped, numbered and read as the workers and people would have, each act at its time."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from social.contracts.events import Event
from social.infra import clock
from social.infra.store.rows import CommentRow, FactRow, NotificationRow, PostRow, StreamRow
from social.notifications import group_state, policy, replay, streams, triggers
from social.notifications.group_state import Trigger
from social.ops.seed.history import Ids
from social.people.edges import Edge


class Edges(dict[tuple[str, str], Edge]):
    """The edges between people, of whom some follow others; nobody blocks or mutes."""

    def __init__(self, follows: Mapping[tuple[str, str], datetime]) -> None:
        super().__init__()
        self._follows = follows

    def __missing__(self, pair: tuple[str, str]) -> Edge:
        return Edge(*pair, follows_at=self._follows.get(pair))


class Inboxes:
    """The notifications of people, while their history goes by."""

    def __init__(
        self,
        posts: Mapping[str, PostRow],
        comments: Mapping[str, CommentRow],
        acts: set[tuple[str, str]],
        edges: Edges,
        ids: Ids,
    ) -> None:
        self.groups: list[NotificationRow] = []
        self.facts: list[FactRow] = []
        self._state = policy.State(posts, comments, acts, edges, ())
        self._ids = ids
        self._open: dict[str, dict[str, NotificationRow]] = defaultdict(dict)  # by recipient and slot
        self._entries: dict[str, list[streams.Entry]] = defaultdict(list)

    def take(self, event: Event, at: datetime) -> None:
        """Notify people of an event: each once of a thing, by the strongest trigger that holds."""
        for things in policy.by_thing(triggers.of(event)):
            for trigger in [each for each in things if self._state.holds(each)][:1]:
                self._join(trigger, at)

    def read(self, user_id: str, at: datetime) -> None:
        """Mark all notifications of a person as read."""
        unread = self._open.pop(user_id, {})
        for group in unread.values():
            group["read_at"] = at
            del group["open"], group["slot"]
        if unread:
            entry = streams.Entry(replay.read_key(None, at), clock.millis(at), "notifications.read")
            self._entries[user_id].append(entry)

    def stream(self, user_id: str) -> StreamRow:
        """Return the stream of a person, with the last items of it."""
        row, entries = streams.new(user_id), self._entries.get(user_id, [])
        if entries:
            row["seq"] = len(entries)
            items = [streams.Item(number, *entry).entry for number, entry in enumerate(entries, 1)]
            row["entries"] = items[-streams.WINDOW :]
        return row

    def _join(self, trigger: Trigger, at: datetime) -> None:
        group = self._open[trigger.recipient].get(trigger.slot)
        if group is None:
            group = group_state.new(trigger, at)
            group["_id"] = self._ids.at(at)
            self._open[trigger.recipient][trigger.slot] = group
            self.groups.append(group)
        event = "notification.updated" if group["told"] else "notification"
        group_state.add(group, trigger)
        group["rev"] += 1
        group["updated_at"] = at
        group_state.mark_notified(group, shown=True)
        self._entries[trigger.recipient].append(streams.Entry(group["_id"], group["rev"], event))
        fact: FactRow = {
            "_id": trigger.fact_id,
            "recipient": trigger.recipient,
            "actor": trigger.actor,
            "group": group["_id"],
            "at": at,
            "withdrawn_at": None,
        }
        self.facts.append(fact)
