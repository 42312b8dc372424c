"""The cache of what was read a moment ago, also where that moment was long."""

import pytest

from social.infra.store import ttl_cache
from social.infra.store.ttl_cache import TtlCache


def test_a_read_that_took_longer_than_it_may_be_kept_is_handed_out_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ttl_cache, "FRESH_S", -1.0)
    cache = TtlCache()
    with cache.reading("ada") as reading:
        reading.keep("ada", {"name": "ada"})
    assert cache.get("ada") is None


def test_the_oldest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ttl_cache, "MOST", 2)
    cache = TtlCache()
    with cache.reading("ada", "bob", "eve") as reading:
        for name in ("ada", "bob", "eve"):
            reading.keep(name, {"name": name})
    assert [cache.get(name) is not None for name in ("ada", "bob", "eve")] == [False, True, True]
