"""The result of a run: its figures in one object, and why it does not count where something went wrong."""

import json
from pathlib import Path
from typing import Any

from loadtests.origin import commit, machine
from loadtests.progress import percentile_ms
from loadtests.run import Run

BUSY = 0.9  # of a core: from here on it is the client that is measured
WRONG = {
    "lost": "{} acknowledged and never delivered",
    "duplicated": "{} had an effect twice",
    "stranded": "{} people never began, or never came back",
    "failed": "{} requests were refused, or not answered for a minute",
    "broken": "{} times people could not go on: locust.log says why",
}


def result(run: Run) -> dict[str, Any]:
    """Return all figures of a run; `wrong` lists in words why the run does not count."""
    figures = _figures(run)
    wrong = [run.gave_up] if run.gave_up else [] if run.began else ["nobody did anything"]
    wrong += [words.format(figures[name]) for name, words in WRONG.items() if figures[name]]
    return {**figures, "wrong": wrong}


def _figures(run: Run) -> dict[str, Any]:
    options, deliveries, stats = run.environment.parsed_options, run.deliveries, run.environment.stats
    rows = run.progress.rows
    cpu = [row["cpu"] for row in rows]
    return {
        "scenario": options.scenario,
        "host": run.environment.host,
        "users": max((row["users"] for row in rows), default=0),
        "seconds": len(rows),
        "lost": sum(deliveries.missing().values()) + deliveries.holes,
        "duplicated": deliveries.duplicates.total(),
        "unanswered": run.unanswered,
        "began": run.began,
        "stranded": run.stranded,
        "failed": run.failed,
        "broken": run.broken,
        "gave_up": run.gave_up,
        "deliveries": {
            kind: {
                "acknowledged": acknowledged,
                "delivered": deliveries.delivered[kind],
                "recovered": deliveries.recovered[kind],
                "p50_ms": percentile_ms(run.seconds[kind], 50),
                "p95_ms": percentile_ms(run.seconds[kind], 95),
                "p99_ms": percentile_ms(run.seconds[kind], 99),
            }
            for kind, acknowledged in sorted(deliveries.acknowledged.items())
            if acknowledged
        },
        "requests": {
            f"{method} {name}": {
                "count": entry.num_requests,
                "failed": entry.num_failures,
                "per_s": round(entry.total_rps, 1),
                "p50_ms": entry.get_response_time_percentile(0.5),
                "p99_ms": entry.get_response_time_percentile(0.99),
            }
            for (name, method), entry in sorted(stats.entries.items())
            if method != "PUSH"
        },
        "gateways_killed": [{"at_s": round(at - run.progress.began, 1), "name": name} for at, name in run.killed],
        "came_back": {
            "sockets": len(run.resumed),
            "stream_went_on": sum(went_on for _, went_on in run.resumed),
            "p50_ms": percentile_ms([away for away, _ in run.resumed], 50),
            "p99_ms": percentile_ms([away for away, _ in run.resumed], 99),
        },
        "client": {
            "cpu_mean": round(sum(cpu) / max(1, len(cpu)), 2),
            "cpu_most": round(max(cpu, default=0), 2),
            "lag_most_ms": max((row["lag_ms"] for row in rows), default=0),
            "busy": sum(each > BUSY for each in cpu) > len(cpu) / 10,
        },
        "machine": machine(),
        "commit": commit(),
        "timeline": rows,
    }


def write(figures: dict[str, Any], path: Path) -> None:
    """Write the result of a run as JSON."""
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
