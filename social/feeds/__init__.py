"""Home timelines: fanned out when a post is written, merged when one is read whose author has too many followers."""

from social.feeds.entries import (
    FANOUT_LIMIT,
    backfill,
    build,
    change_side,
    changes_side,
    fan_out,
    forget_author,
    holders,
    is_merged,
    merge_into,
    take_out,
)
from social.feeds.reading import page
from social.feeds.reposts import FannedOut, bring_reposts, fan_out_repost, showing
from social.feeds.sources import Repost

__all__ = [
    "FANOUT_LIMIT",
    "FannedOut",
    "Repost",
    "backfill",
    "bring_reposts",
    "build",
    "change_side",
    "changes_side",
    "fan_out",
    "fan_out_repost",
    "forget_author",
    "holders",
    "is_merged",
    "merge_into",
    "page",
    "showing",
    "take_out",
]
