"""The live view of a person's notifications."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from plaza_client.core.packets import Event
from plaza_client.core.stream import Position
from plaza_client.core.view import Effect, NotificationList, Status, View
from plaza_client.errors import PlazaError
from plaza_client.models import Notification, NotificationRemoved, Notifications, NotificationsReadPush


@dataclass
class NotificationsView(View[Sequence[Notifications]]):
    """Groups by their revision, joined with the list by the offset that the list corresponds to."""

    EVENTS = frozenset({"notification", "notification.updated", "notification.removed", "notifications.read"})

    _groups: dict[str, Notification] = field(default_factory=dict)
    _removed: dict[str, int] = field(default_factory=dict)  # and at which revision
    _position: Position | None = None  # events up to here are in what was fetched
    _more: bool = False
    _unread_below: int = 0  # unread groups below those that were loaded
    _raced: bool = False  # events came while a part of the list was fetched: they may be counted twice below

    def snapshot(self, status: Status, error: PlazaError | None) -> NotificationList[Notification]:
        items = sorted(self._groups.values(), key=lambda each: (each.updated_at, each.id), reverse=True)
        return NotificationList(status, error, tuple(items), self._more, self._unread_here() + self._unread_below)

    def loaded(self, fetched: Sequence[Notifications]) -> Effect:
        self._raced = False
        effect = super().loaded(fetched)
        return Effect.STALE if self._raced and self._more else effect

    def _replace(self, fetched: Sequence[Notifications]) -> None:
        first, last = fetched[0], fetched[-1]
        self._groups, self._removed = {}, {}
        for page in fetched:
            for group in page.items:
                self._put(group)
        self._position, self._more = Position.parse(first.offset), last.next is not None
        self._unread_below = max(0, first.unread - self._unread_here()) if self._more else 0

    def _happened(self, event: Event) -> Effect:
        if event.offset and self._position and self._position.reaches(event.offset):
            return Effect.NOTHING
        self._raced = True
        if event.name == "notification.removed":
            return self._remove(NotificationRemoved.model_validate(event.data))
        if event.name == "notifications.read":
            return self._read(NotificationsReadPush.model_validate(event.data))
        return self._changed(Notification.model_validate(event.data))

    def _changed(self, group: Notification) -> Effect:
        if group.id not in self._groups and self._more and (group.rev > 1 or self._is_below(group)):
            self._put(group)
            return Effect.STALE  # it may have been below, and counted there
        return Effect.CHANGED if self._put(group) else Effect.NOTHING

    def _put(self, group: Notification) -> bool:
        known = self._groups.get(group.id)
        if group.rev <= self._removed.get(group.id, -1) or (known and known.rev > group.rev):
            return False
        self._groups[group.id] = group
        return True

    def _remove(self, gone: NotificationRemoved) -> Effect:
        self._removed[gone.id] = max(gone.rev, self._removed.get(gone.id, -1))
        known = self._groups.get(gone.id)
        if known is None:
            return Effect.STALE if self._more else Effect.NOTHING
        if known.rev > gone.rev:
            return Effect.NOTHING
        del self._groups[gone.id]
        return Effect.CHANGED

    def _read(self, push: NotificationsReadPush) -> Effect:
        ids, until = push.ids, push.all_until
        effect = Effect.NOTHING
        for group in list(self._groups.values()):
            named = group.id in ids if ids is not None else until is not None and group.updated_at <= until
            if named and group.read_at is None:  # the push does not say when: not before the last change
                self._groups[group.id] = group.model_copy(update={"read_at": until or group.updated_at})
                effect = Effect.CHANGED
        unknown = any(each not in self._groups for each in ids) if ids is not None else True
        return Effect.STALE if self._unread_below and unknown else effect

    def _is_below(self, group: Notification) -> bool:
        return self._more and bool(self._groups) and group.updated_at < min(g.updated_at for g in self._groups.values())

    def _unread_here(self) -> int:
        return sum(group.read_at is None for group in self._groups.values())
