"""Chaos with seeds: its plans, its counts, its results and its wrong clocks."""

import asyncio
import re
import time
from collections import Counter
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import cast

import jwt.api_jwt
import pytest
from support.eventually import eventually
from support.writes import Counts, Key, Writes, hole

from loadtests.chaos import results
from loadtests.chaos.__main__ import BEGIN, END, RELIABILITY, Campaign, checked_out, commands, main, parser, write
from loadtests.chaos.faults import HARMS
from loadtests.chaos.plan import KINDS, Fault, Plan, plan
from loadtests.chaos.run import Result, do_harm
from loadtests.chaos.scene import Scene
from loadtests.chaos.wrong_clock import WrongClock, install
from social.infra import clock

LIKE = Key("like", "ada", "post")
POST = Key("post", "ada", "", "ada says 1")
COMMENT = Key("comment", "bob", "post", "bob says 1")


def test_a_plan_is_a_function_of_its_seed_alone() -> None:
    """A seed of a report is worth something for as long as it means these faults."""
    assert str(plan(17)).splitlines() == [
        "seed 17",
        "    0.9 s  packets blocked: store for 6.6 s",
        "    1.5 s  redis emptied: redis",
        "    3.3 s  deadly poison: notifications",
        "    4.0 s  server killed: store",
    ]


def test_seeds_reach_every_fault_and_every_target() -> None:
    plans = [plan(seed) for seed in range(3_000)]
    assert {(each.kind, each.target) for some in plans for each in some.faults} == {
        (name, target) for name, kind in KINDS.items() for target in kind.targets
    }
    assert {len(each.faults) for each in plans} == {1, 2, 3, 4}


def test_every_fault_does_harm() -> None:
    assert set(HARMS) == set(KINDS)


async def test_a_fault_without_a_target_is_not_run_and_one_that_breaks_is_a_flaw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def succeeds(scene: Scene, fault: Fault) -> None:
        pass

    async def finds_nobody(scene: Scene, fault: Fault) -> None:
        raise ConnectionRefusedError

    async def breaks(scene: Scene, fault: Fault) -> None:
        raise RuntimeError("no such thing")

    harms = {"killed": succeeds, "redis emptied": finds_nobody, "poison": breaks}
    monkeypatch.setattr("loadtests.chaos.run.HARMS", harms)
    result, nowhere = Result(1, []), cast("Scene", None)
    await do_harm(nowhere, [Fault(kind, "redis", 0.0, 0.0) for kind in harms], result)
    assert result.not_run == {"redis emptied": "another fault had ended its target"}
    assert result.flaws == ["broken fault poison: RuntimeError('no such thing')"]


@pytest.fixture
def writes() -> Writes:
    """Return a like and a post that were acknowledged, and a comment of which nobody knows."""
    noted = Writes()
    for key in (LIKE, POST):
        noted.acknowledge(noted.attempt(key))
    noted.attempt(COMMENT)
    return noted


def test_what_is_acknowledged_and_stored_once_is_flawless(writes: Writes) -> None:
    stored = Counter([LIKE, POST])
    assert writes.count(stored) == Counts(attempted=3, acknowledged=2, unknown=1, stored=2)
    assert writes.flaws(stored) == []


def test_an_acknowledged_write_that_is_not_stored_is_lost(writes: Writes) -> None:
    assert writes.count(Counter([LIKE])).lost == 1
    assert writes.flaws(Counter([LIKE])) == [f"lost: {POST}"]


def test_an_unknown_write_that_is_stored_is_recovered_and_no_flaw(writes: Writes) -> None:
    stored = Counter([LIKE, POST, COMMENT])
    assert writes.count(stored) == Counts(attempted=3, acknowledged=2, unknown=1, stored=3, recovered=1)
    assert writes.flaws(stored) == []


def test_a_write_that_is_stored_twice_is_duplicated(writes: Writes) -> None:
    stored = Counter([LIKE, POST, POST])
    assert (writes.count(stored).duplicated, writes.count(stored).stored) == (1, 2)
    assert writes.flaws(stored) == [f"duplicated: {POST}"]


def test_a_write_that_was_refused_or_never_attempted_is_unexpected(writes: Writes) -> None:
    other = Key("follow", "bob", "ada")
    writes.all[COMMENT].refused = "403"
    stored = Counter([LIKE, POST, COMMENT, other])
    assert writes.count(stored) == Counts(attempted=3, acknowledged=2, refused=1, stored=2, unexpected=2)
    assert writes.flaws(stored) == [f"unexpected: {COMMENT}", f"unexpected: {other}"]


def test_writes_that_could_not_be_told_apart_are_refused(writes: Writes) -> None:
    with pytest.raises(ValueError, match="attempted before"):
        writes.attempt(LIKE)


@pytest.mark.parametrize(
    ("numbers", "last", "words"),
    [
        ([1, 2, 3], 3, ""),
        ([], 0, ""),
        ([1, 3], 3, "1 to 3 without [2]"),
        ([1, 2], 3, "1 to 3 without [3]"),
        ([1, 2, 2, 3], 3, "1 to 3 twice [2]"),
        ([1, 2, 3], 2, "1 to 2 beyond [3]"),
    ],
)
def test_a_stream_is_1_to_n(numbers: list[int], last: int, words: str) -> None:
    assert hole(numbers, last) == words


def outcome(seed: int, *kinds: str, flaws: list[str] | None = None) -> Result:
    """Return the result of a run with two acknowledged writes."""
    counts = asdict(Counts(attempted=3, acknowledged=2, unknown=1, stored=3, recovered=1))
    faults = [[kind, "redis", 1.0, 0.0] for kind in kinds]
    return Result(seed, faults, counts=counts, notifications=4, ready_s=0.1, converged_s=seed, flaws=flaws or [])


def test_a_campaign_goes_on_after_a_line_that_was_cut_off(tmp_path: Path) -> None:
    for seed in (1, 2):
        results.append(tmp_path, outcome(seed, "redis emptied"))
    with (tmp_path / results.FILE).open("a") as file:
        file.write('\n{"seed": 3, "fau')
    assert results.read(tmp_path) == [outcome(1, "redis emptied"), outcome(2, "redis emptied")]
    results.append(tmp_path, outcome(3, "redis emptied"))
    assert [each.seed for each in results.read(tmp_path)] == [1, 2, 3]


def test_the_table_bounds_what_did_not_fail_and_names_what_was_not_run() -> None:
    skipped = outcome(3, "disk full")
    skipped.not_run = {"disk full": "no disk may be mounted"}
    text = results.summary([outcome(1, "killed"), outcome(2, "killed", "poison"), skipped])
    assert "3 runs, 0 with a flaw; 6 acknowledged writes and 12 notifications" in text
    assert "n = 18 events bounds their share at 3/n = 1.7e-01" in text
    assert "| 9 | 6 | 0 | 3 | 9 | 0 | 0 | 0 | 3 |" in text
    assert "| killed | 2 | 4 | 8 | 0 | 0.1 s / 0.1 s | 2.0 s / 2.0 s |" in text
    assert "| disk full | 0 |" in text
    assert "*disk full*, because no disk may be mounted" in text


def test_a_flaw_leaves_no_bound() -> None:
    text = results.summary([outcome(1, "killed"), outcome(2, "killed", flaws=["lost: a like"])])
    assert "2 runs, 1 with a flaw" in text
    assert "bounds" not in text


def test_the_tables_name_the_commands_that_measured_them() -> None:
    assert (
        commands([3, 1, 2, 7], "v1", 1)
        == "`make chaos RUNS=3 SEED=1 PREVIOUS=v1`, `make chaos RUNS=1 SEED=7 PREVIOUS=v1`"
    )
    assert commands([5], "", 6) == "`make chaos RUNS=1 SEED=5 ROUNDS=6`"


def test_a_release_that_git_does_not_know_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"knows no release 'v0\.0\.0'"):
        checked_out("v0.0.0", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_page_has_a_place_for_the_tables() -> None:
    page = RELIABILITY.read_text()
    assert page.count(BEGIN) == 1
    assert END in page.partition(BEGIN)[2]


def test_the_tables_replace_the_ones_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n{END}\n")
    monkeypatch.setattr("loadtests.chaos.__main__.RELIABILITY", page)
    for text in ("new\n", "newer\n"):
        write(text)
        assert page.read_text() == f"before\n{BEGIN}\n{text}{END}\nafter\n{END}\n"


def test_the_page_names_every_fault() -> None:
    table = re.sub(r"\W+", " ", RELIABILITY.read_text())
    assert [word for name in KINDS for word in name.split() if word not in table.split()] == []


def test_a_wrong_clock_is_wrong_everywhere_but_in_timers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in ((clock, "now"), (time, "time")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setitem(vars(jwt.api_jwt), "datetime", jwt.api_jwt.datetime)
    file = tmp_path / "clock"
    file.write_text("0\n")
    right, right_id, monotonic = time.time(), clock.new_id(), time.monotonic()
    install(WrongClock(file))
    file.write_text("300\n")

    async def stepped() -> None:
        assert time.time() - right > 299

    asyncio.run(eventually(stepped))
    assert clock.now().timestamp() - right > 299
    assert jwt.api_jwt.datetime.now(UTC).timestamp() - right > 299
    assert int(clock.new_id()[:8], 16) - int(right_id[:8], 16) > 298
    assert (time.time() - right) - (time.monotonic() - monotonic) > 299


def test_a_seed_that_was_run_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A campaign without processes: its runs only note that they were."""

    async def noted(self: Campaign, planned: Plan) -> Result:
        result = outcome(planned.seed, *(each.kind for each in planned.faults))
        results.append(tmp_path, result)
        return result

    monkeypatch.setattr(Campaign, "run", noted)
    options = ["--resume", str(tmp_path), "--seed", "5", "--runs"]
    assert asyncio.run(main(parser().parse_args([*options, "2"]))) == 0
    assert asyncio.run(main(parser().parse_args([*options, "3"]))) == 0
    assert [each.seed for each in results.read(tmp_path)] == [5, 6, 7]
    printed = capsys.readouterr().out
    assert printed.count(str(plan(7))) == 1
    assert "[1/1] seed 7: 2 acknowledged, 1 unknown, 0 lost, 0 duplicated" in printed
    assert "`make chaos RUNS=3 SEED=5` on " in printed
