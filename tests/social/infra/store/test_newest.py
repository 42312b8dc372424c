"""The newest page of a list does not depend on whether it was read before, whatever was written meanwhile."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from social.infra.store import newest
from social.infra.store.newest import Newest

PAGE = 3


class Store:
    """Entries by place, and the reads of them."""

    def __init__(self) -> None:
        self.places: set[int] = set()
        self.asked: list[dict[str, Any]] = []

    async def many(self, collection: str, where: Any, *, sort: Any, limit: int) -> list[dict[str, Any]]:
        assert (collection, sort) == ("entries", [("place", -1)])
        self.asked.append(where)
        above = where.get("place", {"$gte": -1})["$gte"]
        return [{"place": each} for each in sorted(self.places, reverse=True) if each >= above][:limit]


async def page(lists: Newest, owner: str = "ada") -> list[int]:
    return [each["place"] for each in await lists.page("entries", {"owner": owner}, "place", PAGE)]


@given(st.lists(st.tuples(st.sampled_from("+-?"), st.integers(0, 12)), max_size=40))
async def test_every_page_is_what_the_whole_list_gives(steps: list[tuple[str, int]]) -> None:
    store = Store()
    lists = Newest(store)
    for kind, place in steps:
        if kind == "+":
            store.places.add(place)
        elif kind == "-":
            store.places.discard(place)
        else:
            assert await page(lists) == sorted(store.places, reverse=True)[:PAGE]


async def test_what_a_page_read_before_does_not_show_is_not_asked_for() -> None:
    store = Store()
    lists = Newest(store)
    store.places = set(range(100))
    assert await page(lists) == [99, 98, 97]
    store.places.add(100)
    assert await page(lists) == [100, 99, 98]
    assert store.asked == [{"owner": "ada"}, {"owner": "ada", "place": {"$gte": 97}}]
    store.places -= {99, 98}
    assert await page(lists) == [100, 97, 96], "what was deleted is made up for from the whole list"
    assert await page(lists, "bob") == [100, 97, 96]
    assert store.asked[-1] == {"owner": "bob"}, "where one list ended says nothing of another"


async def test_only_so_many_lists_are_remembered(monkeypatch: Any) -> None:
    monkeypatch.setattr(newest, "MOST", 2)
    store = Store()
    lists = Newest(store)
    store.places = {1, 2, 3, 4}
    for owner in ("ada", "bob", "cyd", "ada"):
        await page(lists, owner)
    assert all("place" not in each for each in store.asked), "ada's was read longest ago"
    await page(lists, "cyd")
    assert store.asked[-1] == {"owner": "cyd", "place": {"$gte": 2}}
