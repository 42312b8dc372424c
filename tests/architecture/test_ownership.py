"""Every collection says whose its documents are, so that they go with their owner."""

from pymongo import IndexModel
from support.typed_rows import KINDS

from social.accounts import erasure
from social.infra.store.ownership import OWNED_BY, Fate, Owned, Owner
from social.infra.store.rows import (
    CURSOR_KEYS,
    DELETIONS,
    INBOX,
    LEASES,
    MIGRATIONS,
    OUTBOX,
    PARKED,
    VISIBILITY_CHANGES,
    WORKERS,
)
from social.infra.store.schema import INDEXES
from social.posts import orphans

# They belong to no person, post or comment, or last no longer than their work; see docs/data-model.md.
NOBODYS = {CURSOR_KEYS, DELETIONS, INBOX, LEASES, MIGRATIONS, OUTBOX, PARKED, VISIBILITY_CHANGES, WORKERS}


def handled(owner: Owner) -> list[Owned]:
    return [each for each in OWNED_BY[owner] if each.fate is Fate.HANDLED]


def test_every_collection_is_owned_or_nobodys() -> None:
    owned = {each.collection for owner in OWNED_BY.values() for each in owner}
    assert not owned & NOBODYS
    assert owned | NOBODYS == set(INDEXES)


def test_an_owner_is_named_in_a_field_that_documents_have_and_an_index_finds() -> None:
    for each in [each for owner in OWNED_BY.values() for each in owner]:
        assert any(each.field in kind.__annotations__ for kind in KINDS[each.collection]), each
        if each.field != "_id" and each.fate is not Fate.ELSEWHERE:
            assert each.field in map(first, INDEXES[each.collection]), each


def first(index: IndexModel) -> str:
    return str(next(iter(index.document["key"])))


def test_each_function_of_erasure_and_of_the_sweeper_is_for_documents_that_the_table_names() -> None:
    assert list(erasure.HANDLED) == [(each.collection, each.field) for each in handled("person")]
    assert set(orphans.HANDLED) == {each.collection for kind in orphans.KINDS for each in handled(kind)}
