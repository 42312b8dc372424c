"""The doctor's findings about members of quorum queues, from rows as RabbitMQ's management plugin gives them."""

from typing import Any

import pytest

from social.ops.doctor import members
from social.ops.doctor.findings import Finding, Level


def queue(name: str, has: str, runs: str | None = None) -> dict[str, Any]:
    """Return a row of a queue that has members on these nodes, of which some run."""
    return {"name": name, "members": [*has], "online": [*(has if runs is None else runs)]}


def the(findings: list[Finding], *words: str) -> Level:
    """Return the level of the only finding, which has these words."""
    (found,) = findings
    for word in words:
        assert word in found.says + found.remedy, found
    return found.level


def test_three_members_that_run_are_well() -> None:
    found = [*members.examine([queue("one", "abc"), queue("two", "bcd")], 4)]
    assert the(found, "3 members or more", "4 nodes") == Level.OK


def test_a_member_that_is_away_is_a_warning_that_names_its_node() -> None:
    found = [*members.examine([queue("one", "abc", "ac"), queue("two", "abc")], 3)]
    assert the(found, "one miss members on b", "start") == Level.WARNING


def test_a_queue_without_its_majority_is_a_problem() -> None:
    found = [*members.examine([queue("one", "abc", "a"), queue("two", "abc", "a")], 3)]
    assert the(found, "one and 1 more stand still", "b, c") == Level.PROBLEM


@pytest.mark.parametrize(("named", "second"), [(3, "a"), (1, "abc")])
def test_a_queue_that_was_made_before_the_other_nodes_is_to_grow(named: int, second: str) -> None:
    found = [*members.examine([queue("one", "a"), queue("two", second)], named)]
    assert the(found, "one", "fewer than 3 members", "rabbitmq-queues grow") == Level.WARNING


def test_nothing_is_said_about_one_node_alone() -> None:
    assert not [*members.examine([queue("one", "a")], 1)]
