"""The verdict on a run: every promise that its end does not keep, as a sentence."""

from collections import Counter
from collections.abc import Iterator, Sequence

from devtools.simulation.crowd import Act, Crowd
from devtools.simulation.programs import ROLES
from devtools.simulation.reader import Reader
from devtools.simulation.replaced import PREFIX
from devtools.simulation.world import World
from social.infra.store.rows import (
    COMMENTS,
    EDGES,
    IDEMPOTENCY,
    INTERACTIONS,
    NOTIFICATION_FACTS,
    NOTIFICATIONS,
    OUTBOX,
    PARKED,
    POSTS,
    STREAMS,
    USERS,
)
from social.notifications import streams

CONSUMED = tuple(f"{PREFIX}.{role}" for role in ROLES)


def at_rest(world: World, readers: Sequence[Reader]) -> bool:
    """Return whether nothing is on its way any more."""
    documents = world.engine.collections
    if documents[OUTBOX] or world.broker.messages(CONSUMED):
        return False
    if any(group.get("due_at") for group in documents[NOTIFICATIONS].values()):
        return False
    return all(reader.position == documents[STREAMS][reader.person.id]["seq"] for reader in readers)


def flaws(world: World, crowd: Crowd, readers: Sequence[Reader]) -> list[str]:
    """Return what is not as it must be."""
    return [
        *_writes(world, crowd),
        *_counts(world),
        *_notifications(world, crowd),
        *_left_over(world),
        *(flaw for reader in readers for flaw in _stream(world, reader)),
    ]


def _writes(world: World, crowd: Crowd) -> Iterator[str]:
    stored, attempted = _stored(world), {_effect(act): act for act in crowd.acts if act.kind != "read"}
    for effect, times in stored.items():
        if effect not in attempted:
            yield f"unexpected: {effect}"
        if times > 1:
            yield f"doubled: {attempted.get(effect, effect)} is there {times} times"
    for effect, act in attempted.items():
        if act.acknowledged and effect not in stored:
            yield f"lost: {act} was acknowledged"
        if act.refused:
            yield f"refused: {act}: {act.refused}"
        elif not act.acknowledged:
            yield f"never acknowledged: {act}, after {act.tries} tries"


def _effect(act: Act) -> tuple[str, ...]:
    if act.kind == "follow":
        return "follow", act.by.id, act.to.id
    return act.kind, act.by.id, act.to.post_id, act.text


def _stored(world: World) -> Counter[tuple[str, ...]]:
    documents = world.engine.collections
    found: list[tuple[str, ...]] = []
    found += [("like", e["user_id"], e["post_id"], "") for e in documents[INTERACTIONS].values() if e.get("like_id")]
    found += [("comment", e["author_id"], e["post_id"], e["text"]) for e in documents[COMMENTS].values()]
    found += [("follow", e["from"], e["to"]) for e in documents[EDGES].values() if e.get("follows_at")]
    return Counter(found)


def _counts(world: World) -> Iterator[str]:
    documents, stored = world.engine.collections, _stored(world)
    rows = Counter[tuple[str, str]]()
    for effect, times in stored.items():
        if effect[0] == "follow":
            rows["following", effect[1]] += times
            rows["followers", effect[2]] += times
        else:
            rows[f"{effect[0]}s", effect[2]] += times
    for collection, names in ((POSTS, ("likes", "comments")), (USERS, ("followers", "following"))):
        for id_, document in documents[collection].items():
            for name in names:
                if document[name] != rows[name, id_]:
                    yield f"count: {name} of {id_} is {document[name]}, and there are {rows[name, id_]}"


def _notifications(world: World, crowd: Crowd) -> Iterator[str]:
    documents = world.engine.collections
    stored = _stored(world)
    owner = {each.post_id: each.id for each in crowd.people}
    due = Counter[tuple[str, str, str]]()
    for effect, times in stored.items():
        recipient = effect[2] if effect[0] == "follow" else owner[effect[2]]
        due[effect[0], effect[1], recipient] += times
    facts = Counter[tuple[str, str, str]]()
    for fact in documents[NOTIFICATION_FACTS].values():
        group = documents[NOTIFICATIONS].get(fact["group"])
        facts[group["type"] if group else "no group", fact["actor"], fact["recipient"]] += 1
    for cause in dict.fromkeys([*due, *facts]):
        if facts[cause] != due[cause]:
            yield f"notification: {facts[cause]} facts of {cause}, and {due[cause]} are due"
    slots = Counter(group["slot"] for group in documents[NOTIFICATIONS].values() if group.get("open"))
    yield from (f"notification: {times} open groups of {slot}" for slot, times in slots.items() if times > 1)
    for group in documents[NOTIFICATIONS].values():
        actors = [fact["actor"] for fact in documents[NOTIFICATION_FACTS].values() if fact["group"] == group["_id"]]
        if group["count"] != len(actors) or set(group["actors"]) != set(actors):
            yield f"notification: group {group['_id']} counts {group['count']}, and has {len(actors)} facts"


def _left_over(world: World) -> Iterator[str]:
    documents = world.engine.collections
    if documents[PARKED]:
        yield f"parked: {[each['error'] for each in documents[PARKED].values()]}"
    if documents[OUTBOX]:
        yield f"outbox: {len(documents[OUTBOX])} rows are left"
    if waiting := world.broker.messages(CONSUMED):
        yield f"broker: {waiting} messages are left"
    keys = Counter(each["_id"] for each in documents[IDEMPOTENCY].values())
    texts = {each["text"] for each in documents[COMMENTS].values()}
    if len(keys) != len(texts):
        yield f"idempotency: {len(keys)} rows for {len(texts)} comments"


def _stream(world: World, reader: Reader) -> Iterator[str]:
    documents, name = world.engine.collections, reader.person.username
    yield from reader.flaws
    row = documents[STREAMS][reader.person.id]
    items = streams.items_of(row)  # type: ignore[arg-type]
    if [item.s for item in items] != [*range(1, row["seq"] + 1)]:
        yield f"stream: the items of {name} are {[item.s for item in items]}, and its number is {row['seq']}"
    if reader.seqs != [*range(reader.base + 1, row["seq"] + 1)]:
        yield f"stream: {name} received {reader.seqs}, and {reader.base + 1} to {row['seq']} were due"
    due = {item.k for item in items if item.s > reader.base}
    for group in documents[NOTIFICATIONS].values():
        if group["_id"] in due and reader.revisions.get(group["_id"], -1) < group["rev"]:
            shown = reader.revisions.get(group["_id"])
            yield f"stream: {name} was shown revision {shown} of {group['_id']}, which is at {group['rev']}"
