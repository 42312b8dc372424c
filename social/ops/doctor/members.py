"""The members of quorum queues: how many nodes have a copy of each, and how many of these run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from social.ops.doctor.findings import Finding, ok, problem, warning

ENOUGH = 3  # copies: the next nodes are for more queues, not for more copies


def examine(queues: Sequence[Mapping[str, Any]], nodes: int) -> Iterator[Finding]:
    """Yield how many members the queues have, from rows of the management plugin, in a cluster of so many nodes.

    A URL may name a load balancer alone: nodes that have members of any queue count too. One node alone is no finding.
    """
    asked = [queue for queue in queues if queue.get("members")]
    everywhere = {node for queue in asked for node in queue["members"]}
    wanted = min(max(nodes, len(everywhere)), ENOUGH)
    if wanted == 1:
        return
    few = [queue["name"] for queue in asked if len(queue["members"]) < wanted]
    stopped = [queue["name"] for queue in asked if 2 * len(_online(queue)) <= len(queue["members"])]
    reduced = [queue["name"] for queue in asked if queue["name"] not in stopped and _away(queue)]
    if stopped:
        away = ", ".join(sorted({node for queue in asked for node in _away(queue)}))
        says = f"{_some(stopped)} stand still: most of their members are away ({away})"
        yield problem("members", says, "start these nodes; where they are lost for good, see the runbook")
    if reduced:
        away = ", ".join(sorted({node for queue in asked for node in _away(queue)}))
        yield warning("members", f"{_some(reduced)} miss members on {away}", "start these nodes")
    if few:
        says = f"{_some(few)} have fewer than {wanted} members: the loss of a node may stop or lose them"
        yield warning("members", says, "rabbitmq-queues grow NODE all, for each node that has none")
    if asked and not (stopped or reduced or few):
        least = min(len(queue["members"]) for queue in asked)
        yield ok("members", f"each queue has {least} members or more, and all run, on {len(everywhere)} nodes")


def _online(queue: Mapping[str, Any]) -> set[str]:
    return set(queue["members"]) & set(queue.get("online", queue["members"]))


def _away(queue: Mapping[str, Any]) -> set[str]:
    return set(queue["members"]) - _online(queue)


def _some(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
