"""Policy of notifications: whether a trigger still holds, its recipient may see it, and wants to hear of it."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, assert_never

from social.contracts.events import Event, SuspensionChanged
from social.infra.store.loaders import together
from social.infra.store.mongo import Transaction, Where
from social.infra.store.rows import (
    COMMENT_LIKES,
    COMMENTS,
    INTERACTIONS,
    NOTIFICATION_FACTS,
    NOTIFICATIONS,
    POSTS,
    USERS,
    AuthorFields,
    CommentRow,
    PostRow,
    UserRow,
)
from social.notifications import group_state, preferences, triggers
from social.notifications.group_state import Trigger
from social.notifications.groups import Facts, GroupChanges
from social.people import edges
from social.people.edges import Edge
from social.posts import access

STRONGEST = ("reply", "mention", "comment")  # of one comment everybody hears once

Pairs = dict[tuple[str, str], Edge]
POST_FIELDS = ("author_id", "mentions", "visibility")
COMMENT_FIELDS = ("parent_id", "mentions")
PRIVATE = ("private",)
ID = ("_id",)
ACTS = {"like": "like_id", "repost": "repost_id"}  # of a person to a post, as `interactions` keeps them


class Decision(NamedTuple):
    """The facts there are, the triggers to notify of, and the facts to take back.

    `between`: the edges that were looked at. `stood`: who was notified before of something that is reported as new.
    """

    known: Facts
    notify: list[Trigger]
    withdraw: set[str]
    between: Pairs
    stood: set[str]


async def decide(
    tx: Transaction,
    changes: GroupChanges,
    events: Sequence[Event],
    traces: Mapping[int, str | None],
    *,
    again: bool = False,
) -> Decision:
    """Decide what these events notify of, by the state they left; `traces`: their requests, by `id(event)`.

    `again`: some of them may have taken effect, so that no fact is held to be new.
    """
    found = {c.fact_id: c._replace(trace=traces.get(id(event))) for event in events for c in triggers.of(event)}
    former = {trigger.fact_id: trigger for trigger in await triggers.former(tx, events)}
    if not found and not former:
        return Decision({}, [], set(), {}, set())
    telling = {
        each.fact_id for event in events if not isinstance(event, triggers.UNDOING) for each in triggers.of(event)
    }
    looked_at = former | found
    new = set[str]() if tx.attempt or again else triggers.surely_new(events)
    known, state, off = await asyncio.gather(
        changes.facts(looked_at.values(), new=new),
        State.of(tx, looked_at.values()),
        preferences.switched_off(tx, {trigger.recipient for trigger in looked_at.values()}),
    )
    notify, withdraw = [], set[str]()
    for things in by_thing(looked_at.values()):
        holding = [trigger for trigger in things if state.holds(trigger)]
        heard = [trigger for trigger in holding if group_state.live(known.get(trigger.fact_id))]
        wanted = [
            trigger
            for trigger in holding
            if trigger.fact_id in telling and (trigger.recipient, trigger.type) not in off and not state.mutes(trigger)
        ]
        kept = (heard or wanted)[:1]
        notify += kept
        withdraw |= {trigger.fact_id for trigger in things if trigger not in kept}
    reported = [each for event in events if isinstance(event, triggers.NEW) for each in triggers.of(event)]
    stood = {trigger.recipient for trigger in reported if group_state.live(known.get(trigger.fact_id))}
    return Decision(known, notify, withdraw, state.between, stood)


async def parted(tx: Transaction, events: Sequence[Event]) -> list[tuple[Event, Where]]:
    """Return the events that parted people, with the facts between them, where they still are apart."""
    blocks = [(event, *found) for event in events if (found := triggers.parted(event))]
    between = await edges.between(tx, {pair for _, pair, _ in blocks})
    return [(event, where) for event, pair, where in blocks if between[pair].apart]


async def concerned(tx: Transaction, events: Sequence[Event], most: int) -> set[str]:
    """Return the people whom these events may have notified, changed or not; of each event at most so many."""
    people = {trigger.recipient for event in events for trigger in triggers.of(event)}
    for event in events:
        if found := triggers.parted(event):
            people.update(found[0])
        if gone := triggers.gone(event):
            groups = await tx.many(NOTIFICATIONS, gone, fields={"recipient": 1}, limit=most)
            people |= {group["recipient"] for group in groups}
        if isinstance(event, SuspensionChanged):
            where = {"actor": event.user_id, "group": {"$gt": event.after}}
            facts = await tx.many(NOTIFICATION_FACTS, where, fields={"recipient": 1}, limit=most)
            people |= {fact["recipient"] for fact in facts}
    return people


def by_thing(found: Collection[Trigger]) -> list[list[Trigger]]:
    """Group triggers by recipient and thing, the strongest first: a person hears of a thing once."""
    things: dict[tuple[str, str], list[Trigger]] = defaultdict(list)
    for trigger in found:
        things[trigger.recipient, trigger.comment_id or trigger.fact_id].append(trigger)
    order = {name: place for place, name in enumerate(STRONGEST)}
    return [sorted(each, key=lambda trigger: order.get(trigger.type, 0)) for each in things.values()]


class State:
    """The state that triggers are about, as the transaction sees it."""

    def __init__(
        self,
        posts: Mapping[str, PostRow],
        comments: Mapping[str, CommentRow],
        acts: set[tuple[str, str]],
        between: Pairs,
        private: Collection[str],
    ) -> None:
        self.between = between
        self._posts, self._comments, self._acts = posts, comments, acts
        self._private = private

    @classmethod
    async def of(cls, tx: Transaction, found: Collection[Trigger]) -> "State":
        """Read the state, one query a collection, all at once; none for what no trigger is about.

        Only where the author of a post is neither the actor nor the recipient, it has to be known before the rest.
        """
        named = {trigger.comment_id for trigger in found} | {c.target_id for c in found if c.kind == "comment"}
        ways = {(trigger.recipient, trigger.actor) for trigger in found}
        ways |= {(trigger.actor, trigger.recipient) for trigger in found if trigger.kind == "user"}
        between, posts, comments, acts = await asyncio.gather(
            edges.between(tx, ways),
            tx.get_many(POSTS, {trigger.post_id for trigger in found if trigger.post_id}, POST_FIELDS),
            tx.get_many(COMMENTS, named - {""}, COMMENT_FIELDS),
            _acts(tx, found),
        )
        authors = {(c.recipient, author) for c in found if (author := _author(posts, c)) not in ("", c.recipient)}
        cards: dict[str, UserRow] = {}
        if authors:
            further, cards = await asyncio.gather(
                edges.between(tx, authors - ways), tx.get_many(USERS, {author for _, author in authors}, PRIVATE)
            )
            between |= further
        private = {author for author, card in cards.items() if card.get("private")}
        return cls(posts, comments, acts, between, private)

    def mutes(self, trigger: Trigger) -> bool:
        """Return whether the recipient does not want to hear of what the actor does."""
        return self.between[trigger.recipient, trigger.actor].hides

    def holds(self, trigger: Trigger) -> bool:  # noqa: PLR0911 - a case a type
        """Return whether a trigger was not taken back since, and its recipient may know of it."""
        out = self.between[trigger.recipient, trigger.actor]
        if out.apart:
            return False
        if trigger.kind != "user" and not self._shown(trigger):
            return False
        comment = self._comments.get(trigger.comment_id)
        match trigger.type:
            case "follow":
                return bool(self.between[trigger.actor, trigger.recipient].follows_at)
            case "follow_request":
                return bool(self.between[trigger.actor, trigger.recipient].requested_at)
            case "follow_accepted":
                return bool(out.follows_at)
            case "like" | "repost":
                return (trigger.type, trigger.target_id + trigger.actor) in self._acts
            case "mention":
                texts = self._posts if trigger.kind == "post" else self._comments
                return trigger.recipient in texts[trigger.target_id].get("mentions", ())
            case "reply":
                return comment is not None and comment.get("parent_id") == trigger.target_id
            case "comment":
                return comment is not None
            case _:
                assert_never(trigger.type)  # a type without a case here is an error of mypy, and never notified of

    def _shown(self, trigger: Trigger) -> bool:
        """Return whether the post, and the comment if it is about one, are there for the recipient."""
        post = self._posts.get(trigger.post_id or "")
        if post is None or (trigger.kind == "comment" and trigger.target_id not in self._comments):
            return False
        if (author := post["author_id"]) == trigger.recipient:
            return True
        written_by: AuthorFields = {"_id": author, "private": author in self._private}
        return access.shows_post(post, written_by, self.between[trigger.recipient, author])


def _author(posts: Mapping[str, PostRow], trigger: Trigger) -> str:
    post = posts.get(trigger.post_id or "")
    return post["author_id"] if post else ""


async def _acts(tx: Transaction, found: Collection[Trigger]) -> set[tuple[str, str]]:
    """Return which likes and reposts of these triggers stand: the act, and the ids of the thing and the person."""
    acts: dict[str, set[str]] = defaultdict(set)
    for trigger in found:
        if trigger.type in ACTS:
            acts[trigger.kind].add(trigger.target_id + trigger.actor)
    to_posts, to_comments = await together(
        tx.get_many(INTERACTIONS, acts["post"]), tx.get_many(COMMENT_LIKES, acts["comment"], ID)
    )
    standing = {(name, each) for each, row in to_posts.items() for name, act in ACTS.items() if act in row}
    return standing | {("like", each) for each in to_comments}
