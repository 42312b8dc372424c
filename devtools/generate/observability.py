"""The table of metrics in the page on observability."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from social.infra.observe import metrics

HEAD = """# Metrics

Every process answers `GET /metrics` at the port it serves (API 8080, realtime 8081, workers 8082) in Prometheus' text
format; nginx does not forward that path. Each process also exports the metrics of every Python process: `process_*`
(CPU, memory, files) and `python_*`. All processes export all metrics; those of work that a process does not do stay at
zero.
`make docs` writes this page from `social/infra/observe/metrics.py`.

| metric | type | labels | description |
|---|---|---|---|
"""

LABELS = """
Each label has few values, which clients cannot add to:

| label | values |
|---|---|
"""


def all_metrics() -> Iterator[tuple[str, MetricWrapperBase]]:
    """Yield every metric with the name that queries use."""
    for each in vars(metrics).values():
        if isinstance(each, MetricWrapperBase):
            yield each._name + ("_total" if isinstance(each, Counter) else ""), each


def labels_of(metric: MetricWrapperBase) -> tuple[str, ...]:
    """Return the names of a metric's labels."""
    found: tuple[str, ...] = tuple(metric._labelnames)
    return found


def metrics_page() -> str:
    """Return the content of docs/metrics.md."""
    rows = [
        f"| `{name}` | {metric._type} | {_listed(labels_of(metric))} | {metric._documentation} |\n"
        for name, metric in sorted(all_metrics(), key=_name)
    ]
    values = [f"| `{label}` | {says} |\n" for label, says in sorted(metrics.LABELS.items())]
    return HEAD + "".join(rows) + LABELS + "".join(values)


def _name(each: tuple[str, Any]) -> str:
    return each[0]


def _listed(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels) or "–"
