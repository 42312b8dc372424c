"""Documents of home timelines."""

from datetime import datetime
from typing import NotRequired, TypedDict

from social.infra.store.rows.collection import Collection


class RepostReason(TypedDict):
    """The person who brought a post into a timeline, and the repost by which they did."""

    by: str
    id: str


class FeedEntryRow(TypedDict):
    """A line of a home timeline."""

    _id: str  # owner and post
    owner: str
    place: str  # the id of the post, or of the repost that brought it
    post_id: str
    author_id: str
    arrived: NotRequired[datetime]
    reposts: NotRequired[list[RepostReason]]  # only where the author is not followed


class TimelineRow(TypedDict):
    """The state of a home timeline: how far down it is kept, and who is merged into it."""

    _id: str
    active_at: datetime
    floor: str
    merged: list[str]


FEED_ENTRIES = Collection[FeedEntryRow]("feed_entries")
TIMELINES = Collection[TimelineRow]("timelines")
