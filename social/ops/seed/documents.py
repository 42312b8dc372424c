"""The documents of a history: those that the verbs and the workers would have left, and the events on their way."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from social.contracts.activity import ActivityKind
from social.contracts.events import Event
from social.infra.store.rows import (
    ACTIVITY,
    COMMENT_LIKES,
    COMMENTS,
    EDGES,
    FEED_ENTRIES,
    INTERACTIONS,
    MEDIA,
    NAMES,
    NOTIFICATION_FACTS,
    NOTIFICATIONS,
    POST_TERMS,
    POSTS,
    STREAMS,
    TIMELINES,
    USERS,
    ActivityRow,
    Collection,
    CommentRow,
    EdgeRow,
    InteractionRow,
    NameRow,
    PostRow,
    UserRow,
)
from social.ops.seed import events
from social.ops.seed.history import (
    Act,
    Bookmark,
    Comment,
    CommentLike,
    History,
    Ids,
    Like,
    Person,
    Post,
    Reading,
    Repost,
)
from social.ops.seed.homes import Homes
from social.ops.seed.inboxes import Edges, Inboxes
from social.ops.seed.pictures import Album
from social.people import terms as names
from social.people import users
from social.posts import avatars, comments, entities, publishing, terms
from social.posts.counters import deltas

PROVEN_AFTER = timedelta(minutes=4)  # from the account to the click in the mail

Rows = dict[Collection[Any], list[Any]]


class Documents:
    """The documents of a history, by collection; people, by whom all else is found, come last."""

    def __init__(self, history: History, album: Album, *, password: str, ids: Ids) -> None:
        self._history, self._album, self._password, self._ids = history, album, password, ids
        self._users: dict[str, UserRow] = {}
        self._user_ids = {each.username: each.id for each in history.people}
        self._posts: dict[str, PostRow] = {}
        self._comments: dict[str, CommentRow] = {}
        self._interactions: dict[str, InteractionRow] = {}
        self._comment_likes: list[Any] = []
        self._follows = {(act.by.id, act.whom.id): act.at for act in history.follows()}

    def rows(self) -> Rows:
        """Return all documents."""
        self._users = {each.id: self._user(each) for each in self._history.people}
        for act in self._history.acts:
            self._keep(act)
        inboxes = self._inboxes()
        homes = list(self._homes())
        people = [*self._users.values()]
        return {
            MEDIA: self._album.rows,
            EDGES: [_edge(*pair, at) for pair, at in self._follows.items()],
            POSTS: [*self._posts.values()],
            POST_TERMS: [terms.row_of(each) for each in self._posts.values()],
            COMMENTS: [*self._comments.values()],
            COMMENT_LIKES: self._comment_likes,
            INTERACTIONS: [*self._interactions.values()],
            NOTIFICATIONS: inboxes.groups,
            NOTIFICATION_FACTS: inboxes.facts,
            STREAMS: [inboxes.stream(user_id) for user_id in self._users],
            FEED_ENTRIES: [entry for _, entries in homes for entry in entries],
            TIMELINES: [timeline for timeline, _ in homes],
            ACTIVITY: [_registered(each, self._ids.at(each["created_at"])) for each in people],
            NAMES: [NameRow(_id=each, user_id=user["_id"]) for user in people for each in names.row_ids(user)],
            USERS: people,
        }

    def events(self) -> Iterator[tuple[datetime, Event]]:
        """Yield the events that the acts of the history recorded, in their order; only after `rows`."""
        for act, event in self._events():
            if event is not None:
                yield act.at, event

    def _user(self, person: Person) -> UserRow:
        email = f"{person.username}@example.org"
        row = users.new(person.username, email=email, password=self._password, at=person.at)
        face = self._album.face(person.id)
        row |= {
            "_id": person.id,
            "email_verified_at": person.at + PROVEN_AFTER,
            "display_name": person.display_name,
            "bio": person.bio,
            "avatar": face["_id"],
            "avatar_url": avatars.url(face),
            "words": names.of(person.username, person.display_name),
            "rev": 2,  # the profile, and the avatar
        }
        return row

    def _written(self, text: str, by: Person) -> entities.Written:
        return entities.linked(self._users[by.id], entities.parse(text), self._user_ids)

    def _keep(self, act: Act) -> None:
        """Keep the documents that an act makes, before anybody counts."""
        by = act.by.id
        match act:
            case Post():
                shown = [self._album.scene(act.id, by)["_id"] for _ in range(act.pictures)]
                written = self._written(act.text, act.by)
                post = publishing.new(
                    act.id, act.text, written, by=by, at=act.at, visible_to=act.visible_to, showing=shown
                )
                self._posts[act.id] = post
            case Comment():
                parent = act.parent.id if act.parent else None
                written = self._written(act.text, act.by)
                comment = comments.new(act.id, act.post.id, parent, act.text, written, by=by, at=act.at)
                self._comments[act.id] = comment
            case CommentLike():
                about = act.comment.id
                self._comment_likes.append({"_id": about + by, "comment_id": about, "user_id": by, "at": act.at})
            case Like():
                self._interaction(act.post, by)["like_id"] = act.id
            case Repost():
                row = self._interaction(act.post, by)
                row["repost_id"], row["reposted_by"] = act.id, by
            case Bookmark():
                self._interaction(act.post, by)["bookmark_id"] = act.id

    def _interaction(self, post: Post, by: str) -> InteractionRow:
        row_id = post.id + by
        return self._interactions.setdefault(row_id, {"_id": row_id, "post_id": post.id, "user_id": by})

    def _events(self) -> Iterator[tuple[Act, Event | None]]:
        """Yield each act with the event that it recorded."""
        for act in self._history.acts:
            written = self._posts.get(act.id) or self._comments.get(act.id)
            yield act, events.of(act, written.get("mentions", []) if written else [])

    def _inboxes(self) -> Inboxes:
        """Count what happened, and notify people of it until they read their notifications."""
        acts = {(name, each["_id"]) for each in self._interactions.values() for name in _acts(each)}
        acts |= {("like", each["_id"]) for each in self._comment_likes}
        inboxes = Inboxes(self._posts, self._comments, acts, Edges(self._follows), self._ids)
        counted: dict[Collection[Any], Mapping[str, Any]]
        counted = {POSTS: self._posts, COMMENTS: self._comments, USERS: self._users}
        for act, event in self._events():
            if isinstance(act, Reading):
                inboxes.read(act.by.id, act.at)
            elif event is not None:
                inboxes.take(event, act.at)
                for collection, document_id, name, more in deltas(event):
                    document = counted[collection][document_id]
                    document[name] += more
                    document["version"] += 1
        return inboxes

    def _homes(self) -> Iterator[Any]:
        followees: dict[Person, dict[Person, datetime]] = defaultdict(dict)
        for act in self._history.follows():
            followees[act.by][act.whom] = act.at
        reposts = (act for act in self._history.acts if isinstance(act, Repost))
        homes = Homes(self._history.posts(), reposts)
        return (homes.of(owner, followees[owner]) for owner in self._history.people)


def _acts(row: InteractionRow) -> Iterator[str]:
    if "like_id" in row:
        yield "like"
    if "repost_id" in row:
        yield "repost"


def _edge(by: str, whom: str, at: datetime) -> EdgeRow:
    return {"_id": by + whom, "from": by, "to": whom, "follows_at": at}


def _registered(user: UserRow, row_id: str) -> ActivityRow:
    return {"_id": row_id, "user_id": user["_id"], "what": ActivityKind.REGISTERED, "at": user["created_at"]}
