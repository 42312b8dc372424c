"""The table and the chart of sockets at rest, and of those that come back together."""

from collections.abc import Sequence
from pathlib import Path

from loadtests import charts
from loadtests.tables import Figures, Rows, ms

ENDINGS = {"kill": "one killed", "drain": "one drained"}


def of_avalanche(figures: Figures) -> Rows:
    """Return rows about sockets at rest, and a column for each way in which a gateway ended."""
    rest, names = figures["rest"], [each for each in ENDINGS if each in figures]
    ends = [figures[name] for name in names]
    rows: list[Sequence[object]] = [
        [f"{figures['sockets']:,} sockets on {figures['gateways']} gateways", *(ENDINGS[name] for name in names)]
    ]

    def row(name: str, *values: object) -> None:
        rows.append([name, *values, *[""] * (len(names) - len(values))])

    row(
        "a session's memory in a gateway, and in Redis",
        f"{rest['bytes_a_socket']:,} B, {rest['redis_bytes_a_socket']:,} B",
    )
    row("CPU of all gateways at rest, without sockets", f"{rest['idle_percent']} %, {rest['idle_without_percent']} %")
    row("of it for a socket, heartbeat and presence", f"{rest['idle_us_a_socket_s']} µs/s")
    row("connects a second, store commands of each", f"{rest['connects_per_s']:,}, {rest['connect_store_commands']}")
    row("sockets of the gateway that ended", *(f"{each['lost_sockets']:,}" for each in ends))
    row("came back, of them resumed", *(f"{each['returned']:,}, {each['recovered']:,}" for each in ends))
    row(
        "refused for the moment, unanswered for 20 s",
        *(f"{each['refused']:,}, {each['unanswered']:,}" for each in ends),
    )
    row("events missed, replayed", *(f"{each['missed']:,}, {each['replayed']:,}" for each in ends))
    row("events lost, twice or out of order", *(each["wrong"] for each in ends))
    row("everybody was back after", *(f"{each['back_after_s']} s" for each in ends))
    row("away, p50 / p99", *(f"{ms(each['away_p50_ms'])} / {ms(each['away_p99_ms'])}" for each in ends))
    row("store commands a return", *(each["return_store_commands"] for each in ends))
    row("Redis commands a return", *(each["return_redis_commands"] for each in ends))
    row("CPU a return: gateways, store", *(_cpu(each) for each in ends))
    row("p99 of others' pushes before, meanwhile", *(_pushes(each) for each in ends))
    return rows


def chart_of_avalanche(figures: Figures, path: Path) -> None:
    """Draw how many of the sockets were back, by the time since their gateway ended."""
    series = {
        ENDINGS[name]: [(at, returned) for at, returned, _ in figures[name]["timeline"]]
        for name in ENDINGS
        if name in figures
    }
    charts.lines(path, "sockets that are back after their gateway ended", "sockets", series)


def _cpu(each: Figures) -> str:
    return f"{each['return_gateway_us'] / 1000:.1f} ms, {each['return_store_us'] / 1000:.1f} ms"


def _pushes(each: Figures) -> str:
    before, during = each["pushes_before"]["p99_ms"], each["pushes_during"]["p99_ms"]
    if not before or not during:
        return "none arrived"
    return f"{ms(before)}, {ms(during)}: {each['p99_ratio']}×"
