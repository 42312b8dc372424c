"""Lanes of the runner: no message waits behind a key to which much happens at once."""

from typing import Any

from workers.lanes import BUSY, MOST_AT_ONCE, Lanes


class Message:
    """A delivery as far as lanes use it."""

    held = True

    def __init__(self, key: str) -> None:
        self.key = key

    def envelope(self) -> Any:
        if not self.key:
            raise ValueError("not an envelope")
        return self


def messages(key: str, count: int) -> list[Any]:
    return [Message(key) for _ in range(count)]


def drained(lanes: Lanes) -> list[list[str]]:
    """Return the keys of each batch until no message waits."""
    batches = []
    while lanes.waiting:
        batches.append([each.key for each in lanes.next()])  # type: ignore[attr-defined]
    return batches


def test_what_comes_behind_a_storm_is_handled_after_one_piece_of_it() -> None:
    lanes = Lanes()
    lanes.put([*messages("viral", 3_000), *messages("other", 3)])
    first, second, *rest = drained(lanes)
    assert "other" in first + second
    assert sum(map(len, [first, second, *rest])) == 3_003


def test_while_others_keep_coming_a_storm_goes_on() -> None:
    lanes = Lanes()
    lanes.put(messages("viral", 1_000))
    handled: list[str] = []
    for number in range(20):
        lanes.put(messages(f"other{number}", 1))
        handled += [each.key for each in lanes.next()]  # type: ignore[attr-defined]
    assert handled.count("viral") == 1_000
    assert len(set(handled)) > 8


def test_a_piece_of_a_storm_is_as_large_as_fits_into_its_time(monkeypatch: Any) -> None:
    lanes, now = Lanes(), 0.0
    monkeypatch.setattr("workers.lanes.time.monotonic", lambda: now)
    lanes.put(messages("viral", 5_000))
    sizes = []
    while lanes.waiting:
        batch = lanes.next()
        with lanes.handling(len(batch)):
            now += 0.001 * len(batch)  # 50 fit into 50 ms
        sizes.append(len(batch))
    assert set(sizes[5:-1]) == {50}
    assert BUSY < 50 < MOST_AT_ONCE


def test_when_a_storm_is_over_its_thing_is_like_any_other() -> None:
    lanes = Lanes()
    lanes.put([*messages("viral", 200), *messages("", 1)])
    drained(lanes)
    lanes.put([*messages("viral", 1), *messages("other", 1)])
    assert drained(lanes) == [["viral", "other"]]
