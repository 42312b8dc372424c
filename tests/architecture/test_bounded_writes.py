"""No transaction grows with a person's data: each write of all matching documents has a reason here that bounds it."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from support.people import Person
from support.site import Site

from social.infra import clock
from social.infra.store.rows import slot
from social.notifications import reading

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "realtime", "workers", "social")
WHOLE = {f"{name}.{verb}" for name in ("tx", "self._tx", "_tx") for verb in ("touch_all", "clear")}

CHUNK = "the ids of one chunk"
BOUNDED = {
    ("social/posts/edits.py", "post_revisions"): "by author and revision: one more than is kept",
    ("social/accounts/erasure.py", "streams"): "one, by its id",
    ("social/accounts/erasure.py", "notification_preferences"): "one, by its id",
    ("social/accounts/erasure.py", "feed_entries"): CHUNK,
    ("social/accounts/erasure.py", "owned.collection"): CHUNK,
    ("social/accounts/erasure.py", "notifications"): CHUNK,
    ("social/accounts/erasure.py", "notification_facts"): CHUNK,
    ("social/accounts/erasure.py", "sessions"): CHUNK,
    ("social/posts/publishing.py", "feed_entries"): "one, by its id",
    ("social/feeds/timelines.py", "feed_entries"): "a timeline is cut at 800 lines",
    ("social/posts/terms.py", "post_terms"): CHUNK,
    ("social/people/terms.py", "names"): "the words of one name",
    ("social/accounts/mailed_tokens.py", "one_time_tokens"): "five an hour of each kind, for a day",
    ("social/infra/store/released.py", "media"): "one avatar, or the pictures of one chunk",
    ("social/notifications/reading.py", "notifications"): CHUNK,
}


def whole_writes() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in WHOLE:
                    yield str(path.relative_to(ROOT)), ast.unparse(node.args[0]).lower()


def test_every_write_of_all_that_matches_says_what_bounds_it() -> None:
    assert set(whole_writes()) == set(BOUNDED)


async def test_a_person_with_thousands_of_unread_notifications_reads_them_in_pieces(
    site: Site, ada: Person, monkeypatch
) -> None:
    monkeypatch.setattr(reading, "READ_AT_ONCE", 50)
    now = clock.now()
    row = {"recipient": ada.id, "type": "like", "open": True, "read_at": None, "removed_at": None, "updated_at": now}
    many = reading.READ_AT_ONCE * 2 + 10
    await site.plaza.mongo.insert_missing(
        "notifications",
        [
            {"_id": each, "target": {"id": each}, "slot": slot(ada.id, "like", each), **row}
            for each in (clock.new_id() for _ in range(many))
        ],
    )
    sizes: Counter[int] = Counter()
    some = reading._read_some

    async def watched(tx, *args, **kwargs):
        done = await some(tx, *args, **kwargs)
        for write in tx.writes:
            sizes[len(write.statement["q"]["_id"]["$in"])] += 1
        return done

    monkeypatch.setattr(reading, "_read_some", watched)
    answer = await ada.ask("POST", "/v1/notifications/read", {"all_until": clock.now().isoformat()})
    assert (answer.status, answer.body) == (200, {"unread": 0})
    assert sizes == {reading.READ_AT_ONCE: 2, 10: 1}
    assert await site.plaza.mongo.count("notifications", {"recipient": ada.id, "open": True}, limit=1) == 0
