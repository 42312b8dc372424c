"""The tables and charts of benchmarks, made from the JSON that each benchmark prints last."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtests import charts

Figures = Mapping[str, Any]
Rows = Sequence[Sequence[object]]  # the first is the head


def of_rest(figures: Figures) -> Rows:
    """Return a row for each kind of request."""
    rows: list[Sequence[object]] = [["request", "a second", "p50", "p99", "bare requests", "refused"]]
    for name, each in figures.items():
        rate, bare = f"{each['per_second']:,.0f}", f"{each['bare_requests']:.0f}"
        rows.append([f"`{name}`", rate, ms(each["p50_ms"]), ms(each["p99_ms"]), bare, each["refused"]])
    return rows


def chart_of_rest(figures: Figures, path: Path) -> None:
    """Draw how long each kind of request takes."""
    took = {name: {"p50": each["p50_ms"], "p99": each["p99_ms"]} for name, each in figures.items()}
    charts.bars(path, "what the REST API answers", "ms", took)


def of_login(figures: Figures) -> Rows:
    """Return the rows of both promises about logins."""
    return [
        ["", "", "target"],
        ["p99 of reads alone", ms(figures["reads_alone_p99_ms"]), ""],
        [f"beside {figures['logins_per_s']:.0f} logins a second", ms(figures["reads_beside_p99_ms"]), ""],
        ["median of their ratios", f"{figures['ratio']}×", "≤ 1.5×"],
        ["refused, for a name that exists", ms(figures["refused_known_ms"]), ""],
        ["refused, for one that does not", ms(figures["refused_unknown_ms"]), ""],
        ["apart", f"{figures['apart_percent']} %", "≤ 5 %"],
    ]


ENGINES = ("native", "portable")
FANOUT = {  # each comparison: the ratio, its target; the portable engine has ratios of its own
    "paced broadcast to 5,000, p50, stock / ours": ("paced_p50_ratio", "≥ 15×"),
    "burst of 20 to 10,000, frames/s, ours / stock": ("burst_ratio", "≥ 30×"),
    "connect + auth rate, ours / stock": ("connect_ratio", "≥ 3×"),
    "memory per session, ours / stock": ("session_bytes_ratio", "≤ 1/5"),
    "burst spread over 20 turns, frames/s, ours / Node": ("node_spread_ratio", "≥ 3×"),
    "burst in one turn, frames/s, ours / Node": ("node_burst_ratio", ""),
    "connect + auth rate, ours / Node": ("node_connect_ratio", ""),
    "paced broadcast, p50, ours / Node": ("node_paced_p50_ratio", ""),
    "CPU per paced delivery, ours / Node": ("node_cpu_ratio", ""),
    "memory per session, ours / Node": ("node_session_bytes_ratio", ""),
}


def of_fanout(figures: Figures) -> Rows:
    """Return ratios against stock python-socketio and Node's Socket.IO, then every raw figure."""
    rows: list[Sequence[object]] = [["", "target", "native", "portable"]]
    for name, (ratio, target) in FANOUT.items():
        rows.append([name, target, f"{figures[ratio]}×", f"{figures['portable_' + ratio]}×"])
    rows.append(["bytes per session", "≤ 5 KiB", f"{figures['bytes_per_session']:,}", ""])
    bare = figures["cpu_us_per_delivery"] / figures["bare_us_per_delivery"]
    rows.append(["CPU per paced delivery", "≤ 1.3× bare", f"{figures['cpu_us_per_delivery']} µs, {bare:.2f}× bare", ""])
    rows.append(["idle CPU, 10,000 sockets", "≤ 2 %", f"{figures['idle_cpu_percent']} %", ""])
    raw = figures["raw"]
    for name in (each for each in raw["native"] if each != "stack"):
        others = "; ".join(f"{stack} {_number(raw[stack][name])}" for stack in ("bare", "stock", "node"))
        rows.append([f"{name.replace('_', ' ')} ({others})", "", *(_number(raw[each][name]) for each in ENGINES)])
    return rows


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def chart_of_fanout(figures: Figures, path: Path) -> None:
    """Draw how long a paced broadcast takes in each stack."""
    took = {name: {"p50": each["paced_p50_ms"], "p99": each["paced_p99_ms"]} for name, each in figures["raw"].items()}
    charts.bars(path, "one broadcast to 5,000 sockets, from the hand-over to each arrival", "ms", took)


def of_gateways(figures: Figures) -> Rows:
    """Return a row for each measurement of a cluster."""
    rows: list[Sequence[object]] = [["stack", "gateways", "CPU per push", "lost"]]
    for each in figures["cluster_raw"]:
        lost = each["pushes"] - each["arrived"]
        rows.append([each["stack"], each["gateways"], f"{each['cpu_us_per_push']:.1f} µs", lost])
    ours, stock = figures["cluster_cost_ratio_8"], figures["cluster_cost_ratio_8_stock"]
    rows.append(["8 against 1", "", f"{ours}× (target ≤ 1.3×), stock {stock}×", figures["cluster_lost"]])
    return rows


def of_notifications(figures: Figures) -> Rows:
    """Return rows about the storm of likes, and the waiting of other people beside it."""
    moves = f"{figures['stream_moves_per_s']}/s, {figures['most_moves_in_a_second']} in one second at most"
    return [
        ["", ""],
        ["committed", f"{figures['likes_per_s']:,.0f}/s"],
        ["pushed", f"{figures['pushed_per_s']:,.0f}/s"],
        ["likes, shown count, facts", f"{figures['likes']:,}, {figures['count']:,}, {figures['facts']:,}"],
        ["moves of the author's stream", moves],
        ["others alone, p50 / p99", _spread(figures, "alone")],
        ["others beside the storm, p50 / p99", _spread(figures, "beside")],
    ]


def of_timelines(figures: Figures) -> Rows:
    """Return rows about fan-out, and about scrolling."""
    pages = ", ".join(ms(figures[f"{name}_ms"]) for name in ("page_1", "pages_2_to_39", "pages_91_to_110"))
    slowest = ms(figures["slowest_of_them_ms"])
    return [
        ["", ""],
        [f"last of {figures['followers']:,.0f} timelines has the post", f"{figures['last_timeline_s']:.1f} s"],
        ["a like to its author's sockets, alone, p50 / p99", _spread(figures, "alone")],
        ["a like to its author's sockets, beside the fan-out, p50 / p99", _spread(figures, "beside")],
        ["page 1, pages 2 to 39, pages 91 to 110", f"{pages} (mean); the slowest {slowest}"],
        ["pages 91 to 110 against page 1", f"{figures['page_100_against_1']:.1f}×"],
    ]


def _spread(figures: Figures, name: str) -> str:
    return f"{ms(figures[f'{name}_p50_ms'])} / {ms(figures[f'{name}_p99_ms'])}"


def of_streams(figures: Figures) -> Rows:
    """Return rows about the two ways to append."""
    return [
        ["an append to a full stream", ""],
        ["by compare-and-set, as it is done", ms(figures["compare_and_set_ms"])],
        ["by a pipeline update and a read", f"{ms(figures['pipeline_ms'])}, {figures['ratio']}×"],
    ]


def of_workers(figures: Figures) -> Rows:
    """Return rows that compare one worker process with two that share the partitions."""
    rows = [
        [f"{figures['events']:,} likes, {figures['rounds']} rounds", "events/s", "workers' CPU per event", "busy cores"]
    ]
    for name in ("one", "two"):
        found = figures[name]
        rows.append([f"{name} of them", f"{found['events_s']:,}", f"{found['cpu_us']:,} µs", f"{found['cores']}"])
    return [*rows, ["two to one", f"{figures['ratio']}×", "", ""]]


def of_sqs(figures: Figures) -> Rows:
    """Return rows of the requests to SQS that an event causes, at each rate, and their price."""
    head = ["events/s", "requests per event", "sent", "received", "deleted", "per million events", "client's CPU"]
    operations = ("send_message_batch", "receive_message", "delete_message_batch")
    rows = [head]
    for name, found in figures.items():
        if name != "idle_dollars":
            each = [f"{found[operation]:.2f}" for operation in operations]
            price, cpu = f"{found['dollars']:.2f} $", f"{found['cpu_us']:,} µs a message"
            rows.append([f"{found['events_s']:,}", f"{found['requests']}", *each, price, cpu])
    return [*rows, ["none", "", "", "", "", f"{figures['idle_dollars']} $ a month", ""]]


OF_STORES = {
    "ids_1": "a post by its id",
    "ids_16": "16 posts by their ids",
    "ids_64": "64 posts by their ids",
    "ids_1_by_64": "a post by its id, 64 at once",
    "joined": "a post joined with its author and a like",
    "joined_by_16": "a post joined with its author and a like, 16 at once",
    "changed": "find one and update it",
    "changed_by_16": "find one and update it, 16 at once",
    "commit_1": "a transaction of 1 like and its event",
    "commit_16": "of 16",
    "commit_64": "of 64",
    "commit_1_by_16": "of 1, 16 at once",
    "commit_16_by_4": "of 16, 4 at once",
}


def of_stores(figures: Figures) -> Rows:
    """Return a row for each operation, with how long each store takes."""
    rows: list[Sequence[object]] = [["", *(f"`{store}`" for store in figures)]]
    for what, words in OF_STORES.items():
        each = [figures[store][what] for store in figures]
        rows.append([words, *(f"{ms(one['ms'])}, {one['per_s']:,.0f}/s" for one in each)])
    return rows


def of_storage(figures: Figures) -> Rows:
    """Return a row for each collection, and one for all of them."""
    rows: list[Sequence[object]] = [
        ["collection", "a person has", "a document", "its index keys", "GB per million people"]
    ]
    for name, each in figures["collections"].items():
        sizes = [f"{each['document_bytes']:,.0f} B", f"{each['index_bytes']:,.0f} B", f"{each['gb_per_million']:,.1f}"]
        rows.append([f"`{name}`", each["a_person_has"], *sizes])
    rows += [[f"`{name}`", "", "no sample", "", ""] for name in figures["without_sample"]]
    return [*rows, ["all", "", "", "", f"{figures['gb_per_million']:,.0f}"]]


OBSERVING = {"off": "", "seen": "≤ 5 % slower", "traced": "≤ 15 % slower"}  # how much slower requests and pushes may be


def of_observing(figures: Figures) -> Rows:
    """Return medians, and their ratios to `off` with quartiles."""
    rows: list[Sequence[object]] = [["", "requests a second", "CPU of the API a request", "like → push", "target"]]
    for name, each in figures.items():
        cells = []
        for field, unit in (("per_second", ""), ("cpu_us", " µs"), ("like_ms", " ms")):
            low, middle, high = each[f"{field}_ratio"]
            cells.append(f"{each[field]:,.1f}{unit}, {middle:.3f}× ({low:.3f}–{high:.3f})")
        rows.append([name, *cells, OBSERVING[name]])
    return rows


def of_peer(figures: Figures) -> Rows:
    """Return rows of product and peer; a ratio is product to peer, of latencies, rates and CPU alike."""
    rows: list[Sequence[object]] = [["", "product", "peer", "product / peer", "own CPU a request"]]
    for rate, each in figures.get("like_push", {}).items():
        name = f"like → push at {rate} likes/s"
        rows.append([f"{name}, p50", *_versus(each["p50_ms"], ms), _cpu(each)])
        rows.append([f"{name}, p99", *_versus(each["p99_ms"], ms), ""])
        if any(each["refused"].values()) or any(each["unpushed"].values()):
            rows.append([f"{name}: acknowledged", *_versus(each["acknowledged"], _count), ""])
            rows.append([f"{name}: refused", *_versus(each["refused"], _count)[:2], "", ""])
            rows.append([f"{name}: not pushed in time", *_versus(each["unpushed"], _count)[:2], "", ""])
    if highest := figures.get("highest_rate"):
        rows.append(["highest rate with p99 ≤ 500 ms, likes/s", *_versus(highest, _count), ""])
    for kind, of_kind in figures.get("rest", {}).items():
        for connections, each in of_kind.items():
            name = f"`{kind}`, {connections} at once"
            rows.append([f"{name}: answered a second", *_versus(each["per_second"], _count), _cpu(each)])
            if any(each["refused"].values()):
                rows.append([f"{name}: refused", *_versus(each["refused"], _count)[:2], "", ""])
            if "handled_per_second" in each:
                done = "in timelines" if kind == "POST post" else "pushed"
                rows.append([f"{name}: {done} a second", *_versus(each["handled_per_second"], _count), ""])
            if any(each.get("unpushed", {}).values()):
                rows.append([f"{name}: not pushed in time", *_versus(each["unpushed"], _count)[:2], "", ""])
    return rows


IN_SHORT = {
    "GET post": "per_second",
    "GET feed": "per_second",
    "POST post": "per_second",
    "PUT like": "handled_per_second",
}


def of_peer_in_short(figures: Figures) -> Rows:
    """Return the rows of the comparison with the peer for the first page."""
    rows: list[Sequence[object]] = [["", "Plaza", "Node peer", "Plaza / peer"]]
    if (rate := "100") in (like_push := figures.get("like_push", {})):
        both = [_versus(like_push[rate][f"{place}_ms"], ms) for place in ("p50", "p99")]
        rows.append([f"like → push at {rate} likes/s, p50 · p99", *map(" · ".join, zip(*both, strict=True))])
    if highest := figures.get("highest_rate"):
        rows.append(["most likes/s with p99 ≤ 500 ms", *_versus(highest, _count)])
    for kind, measured in IN_SHORT.items():
        if of_kind := figures.get("rest", {}).get(kind):
            connections = max(of_kind, key=int)
            rows.append([f"`{kind}` a second, {connections} at once", *_versus(of_kind[connections][measured], _count)])
    return rows


def _versus(each: Mapping[str, float | None], shown: Callable[[float], str]) -> list[str]:
    """Return a figure of both systems, and their ratio where both have one."""
    product, peer = each.get("product"), each.get("peer")
    ratio = f"{product / peer:.2f}×" if product is not None and peer else ""
    return [*("–" if value is None else shown(value) for value in (product, peer)), ratio]


def _cpu(each: Figures) -> str:
    product, peer, ratio = _versus(each.get("cpu_ms", {}), lambda value: f"{value:.2f} ms")
    return f"{product}, {peer}: {ratio}" if ratio else ""


def _count(value: float) -> str:
    return f"{value:,.0f}"


def of_load(figures: Figures) -> Rows:
    """Return rows about deliveries, or about requests in a scenario without sockets, and how they went."""
    rows: list[Sequence[object]] = [["", "acknowledged", "delivered", "of them after a resume", "p50", "p95", "p99"]]
    for kind, each in figures["deliveries"].items():
        spread = ["" if each[name] is None else ms(each[name]) for name in ("p50_ms", "p95_ms", "p99_ms")]
        rows.append([kind, each["acknowledged"], each["delivered"], each["recovered"], *spread])
    for name, each in figures["requests"].items() if not figures["deliveries"] else ():
        rows.append(
            [f"`{name}`", each["count"], each["count"] - each["failed"], "", ms(each["p50_ms"]), "", ms(each["p99_ms"])]
        )
    result = f"lost {figures['lost']}, duplicated {figures['duplicated']}"
    if (back := figures["came_back"])["sockets"]:
        result += f"; {back['sockets']} sockets came back, {back['stream_went_on']} of them where they were"
        result += f", after {ms(back['p50_ms'])} (p50) and {ms(back['p99_ms'])} (p99)"
    client = f"Locust used {100 * figures['client']['cpu_mean']:.0f} % of a core"
    return [*rows, [f"{figures['users']} users, {figures['seconds']} s", result, client, "", "", "", ""]]


def ms(value: float) -> str:
    """Return milliseconds with as many digits as are meaningful."""
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"
