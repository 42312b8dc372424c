"""A walk by chunks visits every lasting entry, once and in order, whatever is written meanwhile."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from social.infra.store import strides
from social.infra.store.strides import Strides

CHUNK = 3
PLACES = st.integers(0, 60).map("{:02}".format)


class Store:
    """Followers of a person, and how many documents each command may have sorted."""

    def __init__(self, places: set[str]) -> None:
        self.places = places
        self.looked_at: list[int] = []

    async def many(self, collection: str, where: Any, *, fields: Any, sort: Any, limit: int) -> list[dict[str, Any]]:
        assert (collection, where["to"], sort) == ("edges", "ada", [("from", 1)])
        above, below = where["from"]["$gt"], where["from"].get("$lte", "~")
        found = sorted(each for each in self.places if above < each <= below)
        self.looked_at.append(len(found))
        return [{"from": each} for each in found][:limit]


@given(st.sets(PLACES), st.lists(st.lists(st.tuples(st.sampled_from("+-"), PLACES), max_size=6), max_size=30))
async def test_a_walk_comes_by_all_that_stays(places: set[str], changes: list[list[tuple[str, str]]]) -> None:
    store = Store(set(places))
    walks, stay = Strides(store), set(places)
    for _ in range(3):  # the second walk goes by the strides of the first
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            rows, following = await walks.chunk("edges", {"to": "ada"}, "from", after, CHUNK, fields={"from": 1})
            assert len(rows) <= CHUNK
            assert following is None or following > after
            seen += [row["from"] for row in rows]
            after = following
            for kind, place in changes.pop() if changes else ():
                if kind == "+":
                    store.places.add(place)
                else:
                    store.places.discard(place)
                    stay.discard(place)
        assert seen == sorted(set(seen))
        assert stay <= set(seen)
        stay = set(store.places)


async def test_a_chunk_costs_what_it_has_and_not_what_comes_after_it() -> None:
    store = Store({f"{n:04}" for n in range(20 * CHUNK)})
    walks, after = Strides(store), ""
    for _ in range(20):
        _, following = await walks.chunk("edges", {"to": "ada"}, "from", after, CHUNK, fields={"from": 1})
        after = following or after
    assert sum(store.looked_at) <= 4 * 20 * CHUNK


async def test_so_many_lists_are_remembered_and_no_more() -> None:
    walks = Strides(Store({f"{n:02}" for n in range(20)}))
    for most in range(1, strides.MOST + 20):
        await walks.chunk("edges", {"to": "ada"}, "from", "", most % 5 + 1, fields={"from": 1})
    assert len(walks._ends) <= strides.MOST
