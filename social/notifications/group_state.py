"""A group of notifications and its facts, as they are kept: what is told together while it is unread."""

import hashlib
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from social.contracts.notifications import NotificationType
from social.infra import clock
from social.infra.store.mongo import Document
from social.infra.store.rows import FactRow, NotificationRow, TargetKind

DUE: tuple[Literal["due_at", "since", "trace"], ...] = (
    "due_at",
    "since",
    "trace",
)  # kept until it was told of: when that is, what happened first, by what request
Written = Literal["actors", "count", "rev", "told", "updated_at", "removed_at", "hidden", "due_at", "since", "trace"]
WRITTEN: tuple[Written, ...] = get_args(Written)


class Trigger(NamedTuple):
    """Somebody did something that concerns somebody else."""

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
        """The same for like, unlike, like."""
        parts = f"{self.type}|{self.target_id}|{self.actor}|{self.recipient}|{self.comment_id}"
        return hashlib.sha256(parts.encode()).hexdigest()

    @property
    def group(self) -> tuple[str, str, str]:
        """What is told together while it is unread."""
        return self.recipient, self.type, self.target_id


def live(fact: FactRow | None) -> bool:
    """Whether it was told and not taken back."""
    return fact is not None and fact.get("withdrawn_at") is None


def key(group: NotificationRow) -> tuple[str, str, str]:
    """What is told in it; as `Cause.group` has it."""
    return group["recipient"], group["type"], group["target"]["id"]


def new(trigger: Trigger, now: datetime) -> NotificationRow:
    """An open group that nothing is told of yet."""
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
    }


def tell(group: NotificationRow, *, shown: bool) -> None:
    """Have a group be told of as it is; where nobody can be seen in it, it is hidden, and not counted."""
    group["told"] = group["rev"]
    for name in DUE:
        group.pop(name, None)
    if shown or group["removed_at"] is not None:
        group.pop("hidden", None)
    else:
        group["hidden"] = True


def change(group: NotificationRow) -> Document:
    """The update that leaves a group as it is here."""
    kept: Document = {name: group[name] for name in WRITTEN if name in group}
    kept |= {"open": True} if group.get("open") else {}
    return {"$set": kept, "$unset": dict.fromkeys({"open", *WRITTEN} - set(kept), "")}
