"""Interactions, the acts of a person on a post: one document a pair, so that one write decides and one read answers.

Each act that stands is a field with an id, which grows with time and so orders the lists of that act. A document
without any act does not exist: it is deleted with its last act.
"""

from typing import Literal

from social.infra import clock
from social.infra.store.mongo import Document, Reader, Transaction
from social.infra.store.rows import INTERACTIONS, InteractionRow

Act = Literal["like_id", "repost_id", "bookmark_id"]

ACTS: tuple[Act, ...] = ("like_id", "repost_id", "bookmark_id")
DONE = {"$gte": "0"}  # an act that stands: above "" the embedded store finds nothing in an index that descends


async def of(reader: Reader, post_id: str, user_id: str) -> InteractionRow | None:
    """Return what a person did to a post; None where that is nothing."""
    return await reader.get(INTERACTIONS, post_id + user_id)


def add(tx: Transaction, post_id: str, user_id: str, act: Act, *, before: InteractionRow | None) -> str:
    """Add an act that `before` does not have and return its id; where that changed, the verb runs anew."""
    act_id = clock.new_id()
    done: Document = {act: act_id}
    if act == "repost_id":
        done["reposted_by"] = user_id  # nothing else is in the index of reposts
    if before:
        tx.update(INTERACTIONS, {"_id": before["_id"], act: None}, {"$set": done})
    else:
        row: InteractionRow = {"_id": post_id + user_id, "post_id": post_id, "user_id": user_id}
        row[act] = act_id
        if act == "repost_id":
            row["reposted_by"] = user_id
        tx.insert(INTERACTIONS, row)
    return act_id


def remove(tx: Transaction, act: Act, *, before: InteractionRow) -> None:
    """Take back an act of `before`, and with its last act the document; where that changed, the verb runs anew."""
    others: Document = {each: before.get(each) for each in ACTS if each != act}
    where: Document = {"_id": before["_id"], **others}  # no other last act is taken back at the same moment
    if any(others.values()):
        gone = {act: "", **({"reposted_by": ""} if act == "repost_id" else {})}
        tx.update(INTERACTIONS, {**where, act: before[act]}, {"$unset": gone})
    elif act == "repost_id":  # its event says which repost it was
        tx.delete(INTERACTIONS, {**where, act: before[act]})
    else:  # without the others it has this act, or would not exist: all such deletes are one command
        tx.delete(INTERACTIONS, where)
