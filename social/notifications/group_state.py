"""A group of notifications and its facts, as they are kept: joined while it is unread."""

import hashlib
from datetime import datetime
from typing import Literal, NamedTuple

from social.contracts.notifications import NotificationType
from social.infra import clock
from social.infra.store.mongo import Document
from social.infra.store.rows import FactRow, NotificationRow, TargetKind, slot, slot_of

DUE: tuple[Literal["due_at", "since", "trace"], ...] = (
    "due_at",
    "since",
    "trace",
)  # kept until its recipient was notified: when that is, what happened first, by what request
KEPT_ACTORS = 32  # the newest, of whom some may be hidden, or leave, before the facts are asked who else there is


class Trigger(NamedTuple):
    """An act of a person that concerns another person, who may be notified of it."""

    type: NotificationType
    kind: TargetKind  # of the target
    target_id: str
    actor: str
    recipient: str
    post_id: str | None
    comment_id: str = ""  # by which it happened
    trace: str | None = None  # the request it comes from

    @property
    def fact_id(self) -> str:
        """The id of its fact: it stays when a like is taken back and given again."""
        parts = f"{self.type}|{self.target_id}|{self.actor}|{self.recipient}|{self.comment_id}"
        return hashlib.sha256(parts.encode()).hexdigest()

    @property
    def slot(self) -> str:
        """The slot of the group that it joins while that is unread."""
        return slot(self.recipient, self.type, self.target_id)


def live(fact: FactRow | None) -> bool:
    """Return whether a fact took effect and was not taken back."""
    return fact is not None and fact.get("withdrawn_at") is None


def unread(recipient: str) -> Document:
    """Return the condition of a person's unread groups."""
    return {"slot": {"$gte": f"{recipient}|", "$lt": f"{recipient}}}"}, "open": True}  # } follows |


def new(trigger: Trigger, now: datetime) -> NotificationRow:
    """Return an open group without facts."""
    return {
        "_id": clock.new_id(),
        "recipient": trigger.recipient,
        "type": trigger.type,
        "target": {"kind": trigger.kind, "id": trigger.target_id},
        "post_id": trigger.post_id,
        "actors": [],
        "count": 0,
        "rev": 0,
        "told": 0,
        "created_at": now,
        "updated_at": now,
        "read_at": None,
        "removed_at": None,
        "open": True,
        "slot": trigger.slot,
    }


def add(group: NotificationRow, trigger: Trigger) -> None:
    """Put a trigger into a group: its actor comes first."""
    others = [actor for actor in group["actors"] if actor != trigger.actor]
    group["actors"] = [trigger.actor, *others][:KEPT_ACTORS]
    group["count"] += 1
    group["trace"] = group.get("trace") or trigger.trace


def mark_notified(group: NotificationRow, *, shown: bool) -> None:
    """Mark a group as notified of as it is; where nobody can be seen in it, it is hidden, and not counted."""
    group["told"] = group["rev"]
    for name in DUE:
        group.pop(name, None)
    if shown or group["removed_at"] is not None:
        group.pop("hidden", None)
    else:
        group["hidden"] = True


def stored(group: NotificationRow) -> NotificationRow:
    """Return a group as it is stored: only an open one has a slot."""
    row = group.copy()
    if row.get("open"):
        row["slot"] = slot_of(row)
    else:
        row.pop("open", None)
        row.pop("slot", None)
    return row
