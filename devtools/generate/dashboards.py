"""Grafana's dashboards, declared: deploy/observability/dashboards is made of this by `make docs`."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

OURS = 'job=~"api|realtime|workers"'
OVER = "[$__rate_interval]"
WIDTHS = {"stat": 4, "timeseries": 12}
HEIGHTS = {"stat": 4, "timeseries": 8}


class Panel(NamedTuple):
    """A panel: the name of each line, and its query."""

    title: str
    queries: Mapping[str, str]
    unit: str = "short"
    kind: Literal["timeseries", "stat"] = "timeseries"
    says: str = ""
    quiet: bool = False  # nothing is to be seen while all is well


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Events a second, of all processes together."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{where}}}{OVER}))"


def quantile(q: float, histogram: str, by: str = "", where: str = "") -> str:
    """Below which so many of a hundred stay, by what the buckets tell."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({histogram}_bucket{{{where}}}{OVER})))"


def quantiles(histogram: str, where: str = "") -> dict[str, str]:
    """The middle one, and the slow ones."""
    return {f"p{round(q * 100)}": quantile(q, histogram, where=where) for q in (0.5, 0.95, 0.99)}


def slowest(histogram: str, by: str) -> dict[str, str]:
    """The slow ones of each of the ten that are slowest."""
    names = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return {names: f"topk(10, {quantile(0.99, histogram, by)})"}


REST = 'route!~"-|/livez|/readyz|/metrics"'
FAILED = f'{REST}, status=~"5.."'
REQUESTS = "plaza_http_requests_total"

OVERVIEW = (
    Panel("REST requests", {"": rate(REQUESTS, where=REST)}, "reqps", "stat"),
    Panel(
        "REST failures",
        {"": f"(({rate(REQUESTS, where=FAILED)}) or vector(0)) / ({rate(REQUESTS, where=REST)})"},
        "percentunit",
        "stat",
        "5xx of all; the objective is 99.9 % without",
    ),
    Panel("Sockets", {"": "sum(plaza_sockets)"}, kind="stat"),
    Panel("Write → socket, p99", {"": quantile(0.99, "plaza_push_latency_seconds")}, "s", "stat"),
    Panel("Oldest event in the outbox", {"": "max(plaza_outbox_oldest_seconds)"}, "s", "stat"),
    Panel("Parked messages", {"": "max(plaza_parked_messages)"}, kind="stat", says="python -m social parked list"),
    Panel("Processes that answer", {"{{job}}": f"sum by (job) (up{{{OURS}}})"}),
    Panel("Servers that answer every process", {"{{server}}": "min by (server) (plaza_server_up)"}),
    Panel("REST duration", quantiles("plaza_http_request_duration_seconds", REST), "s"),
    Panel("Write → socket", quantiles("plaza_push_latency_seconds"), "s"),
    Panel("CPU", {"{{job}} {{instance}}": f"rate(process_cpu_seconds_total{{{OURS}}}{OVER})"}, "percentunit"),
    Panel("Memory", {"{{job}} {{instance}}": f"process_resident_memory_bytes{{{OURS}}}"}, "bytes"),
    Panel("Event loops late by, p99", {"{{job}}": quantile(0.99, "plaza_loop_lag_seconds", "job")}, "s"),
    Panel("Open files", {"{{job}} {{instance}}": f"process_open_fds{{{OURS}}}"}),
)

API = (
    Panel("Requests by route", {"{{method}} {{route}}": f"topk(10, {rate(REQUESTS, 'method, route', REST)})"}, "reqps"),
    Panel(
        "Requests by class of answer",
        {
            "{{class}}": f'sum by (class) (label_replace(rate({REQUESTS}{{{REST}}}{OVER}), "class", "${{1}}xx", '
            '"status", "(.).."))'
        },
        "reqps",
    ),
    Panel("Duration", quantiles("plaza_http_request_duration_seconds", REST), "s"),
    Panel("Slowest routes, p99", slowest("plaza_http_request_duration_seconds", "method, route"), "s"),
    Panel("In flight", {"{{instance}}": "plaza_http_requests_in_flight"}),
    Panel("Failures", {"{{status}} {{route}}": rate(REQUESTS, "status, route", FAILED)}, "reqps", quiet=True),
    Panel("Over a limit", {"{{policy}}": rate("plaza_rate_limited_total", "policy")}, "reqps", quiet=True),
    Panel("Transactions", {"{{verb}}": f"topk(10, {rate('plaza_transaction_duration_seconds_count', 'verb')})"}, "ops"),
    Panel("Slowest transactions, p99", slowest("plaza_transaction_duration_seconds", "verb"), "s"),
    Panel("MongoDB commands", {"{{command}}": rate("plaza_store_command_duration_seconds_count", "command")}, "ops"),
    Panel("MongoDB commands, p99", slowest("plaza_store_command_duration_seconds", "command"), "s"),
    Panel(
        "MongoDB commands that failed",
        {"{{command}}": rate("plaza_store_command_failures_total", "command")},
        "ops",
        says="A few of a transaction's are its conflicts, and run again",
        quiet=True,
    ),
    Panel(
        "Connections to MongoDB",
        {
            "{{job}}": "sum by (job) (plaza_store_connections)",
            "{{job}} in use": "sum by (job) (plaza_store_connections_in_use)",
        },
    ),
    Panel("Pictures in memory", {"{{instance}}": "plaza_uploads_bytes"}, "bytes"),
    Panel("Revoked sessions were read before", {"{{job}}": "max by (job) (plaza_revocations_lag_seconds)"}, "s"),
)

REALTIME = (
    Panel("Sockets", {"{{instance}}": 'plaza_sockets{job="realtime"}'}),
    Panel("Connects", {"{{result}}": rate("plaza_handshakes_total", "result")}, "ops"),
    Panel("Ends", {"{{reason}}": rate("plaza_socket_disconnects_total", "reason")}, "ops"),
    Panel("Resumes", {"{{outcome}}": rate("plaza_resumes_total", "outcome")}, "ops"),
    Panel("Pushes written to sockets", {"{{kind}}": rate("plaza_socket_pushes_total", "kind")}, "ops"),
    Panel("Write → socket, of streams", quantiles("plaza_push_latency_seconds", 'kind="stream"'), "s"),
    Panel("Write → socket, of hints", quantiles("plaza_push_latency_seconds", 'kind="hint"'), "s"),
    Panel("Messages from clients", {"{{event}}": rate("plaza_socket_events_received_total", "event")}, "ops"),
    Panel("Slowest messages, p99", slowest("plaza_socket_event_duration_seconds", "event"), "s"),
    Panel(
        "Messages refused",
        {"{{outcome}}": rate("plaza_socket_events_received_total", "outcome", 'outcome!="ok"')},
        "ops",
        quiet=True,
    ),
    Panel(
        "Slow readers closed, old connections cut",
        {"slow": rate("plaza_slow_readers_closed_total"), "evicted": rate("plaza_sockets_evicted_total")},
        "ops",
    ),
    Panel("Bytes that wait for slow readers", {"{{instance}}": 'plaza_backpressure_bytes{job="realtime"}'}, "bytes"),
    Panel("Sockets found behind their stream", {"{{by}}": rate("plaza_positions_ahead_total", "by")}, quiet=True),
    Panel("Ear on Redis", {"{{instance}}": 'plaza_listener_up{job="realtime"}'}),
)

PIPELINE = (
    Panel("Events in the outbox", {"": "max(plaza_outbox_rows)"}),
    Panel("Oldest event in the outbox", {"": "max(plaza_outbox_oldest_seconds)"}, "s"),
    Panel(
        "Events published",
        {
            "{{path}}": rate("plaza_events_published_total", "path"),
            "left to the relay": rate("plaza_events_fast_path_skipped_total"),
        },
        "ops",
    ),
    Panel(
        "Deliveries handled", {"{{group}} {{outcome}}": rate("plaza_events_consumed_total", "group, outcome")}, "ops"
    ),
    Panel("Write → consumer, p99", {"{{group}}": quantile(0.99, "plaza_consume_latency_seconds", "group")}, "s"),
    Panel(
        "Deliveries in a batch",
        {
            "{{group}}": f"({rate('plaza_consumer_batch_size_sum', 'group')}) / "
            f"({rate('plaza_consumer_batch_size_count', 'group')})"
        },
    ),
    Panel("Batches, p99", {"{{group}}": quantile(0.99, "plaza_consumer_batch_duration_seconds", "group")}, "s"),
    Panel("Parked messages", {"": "max(plaza_parked_messages)"}, says="python -m social parked list"),
    Panel("Pushes handed to Redis", {"{{event}}": rate("plaza_pushes_total", "event")}, "ops"),
    Panel("Pushes that Redis did not take", {"": rate("plaza_pushes_unsent_total")}, "ops"),
    Panel("Partitions of each worker", {"{{group}} {{instance}}": 'plaza_partitions{job="workers"}'}),
    Panel("Who has a lease", {"{{lease}} {{instance}}": 'plaza_lease_held{job="workers"}'}),
    Panel("Sweeps", {"{{sweep}} {{outcome}}": rate("plaza_sweeps_total", "sweep, outcome")}, "ops"),
    Panel(
        "Counts set right, by",
        {"{{collection}} {{counter}}": rate("plaza_counts_drift_total", "collection, counter")},
        quiet=True,
    ),
)

# What is not ours tells of itself by its exporter: by RabbitMQ's own plugin, percona/mongodb_exporter,
# oliver006/redis_exporter and nginx-prometheus-exporter, in the versions of compose.yml.
SERVERS = (
    Panel("Who tells of them", {"{{job}}": 'min by (job) (up{job=~"mongo|nginx|rabbitmq|redis"})'}),
    Panel(
        "RabbitMQ: messages in queues",
        {"ready": "sum(rabbitmq_queue_messages_ready)", "being handled": "sum(rabbitmq_queue_messages_unacked)"},
    ),
    Panel(
        "RabbitMQ: alarms",
        {
            "memory": "max(rabbitmq_alarms_memory_used_watermark)",
            "disk": "max(rabbitmq_alarms_free_disk_space_watermark)",
        },
        says="While one is raised nobody can publish; events wait in the outbox",
    ),
    Panel(
        "RabbitMQ: memory",
        {
            "{{instance}}": "rabbitmq_process_resident_memory_bytes",
            "{{instance}} alarm": "rabbitmq_resident_memory_limit_bytes",
        },
        "bytes",
    ),
    Panel("RabbitMQ: connections", {"": "sum(rabbitmq_connections)"}),
    Panel("RabbitMQ: free disk", {"{{instance}}": "rabbitmq_disk_space_available_bytes"}, "bytes"),
    Panel("Redis: memory", {"used": "redis_memory_used_bytes", "most": "redis_memory_max_bytes"}, "bytes"),
    Panel("Redis: clients", {"": "redis_connected_clients"}),
    Panel("Redis: keys put out before their time", {"": rate("redis_evicted_keys_total")}, "ops"),
    Panel("MongoDB: connections", {"{{conn_type}}": 'mongodb_ss_connections{conn_type=~"current|active"}'}),
    Panel(
        "MongoDB: members that are there",
        {"{{member_idx}} {{member_state}}": "mongodb_members_health"},
    ),
    Panel(
        "MongoDB: how far back the oplog goes",
        {"": "mongodb_mongod_replset_oplog_head_timestamp - mongodb_mongod_replset_oplog_tail_timestamp"},
        "s",
        says="A member that was away for longer has to copy everything",
    ),
    Panel(
        "nginx: connections",
        {
            "all": "nginx_connections_active",
            "reading": "nginx_connections_reading",
            "writing": "nginx_connections_writing",
            "waiting": "nginx_connections_waiting",
        },
    ),
    Panel("nginx: requests", {"": rate("nginx_http_requests_total")}, "reqps"),
    Panel(
        "nginx: connections dropped",
        {"": f"({rate('nginx_connections_accepted')}) - ({rate('nginx_connections_handled')})"},
        "ops",
    ),
)

DASHBOARDS: Mapping[str, tuple[Panel, ...]] = {
    "overview": OVERVIEW,
    "api": API,
    "realtime": REALTIME,
    "pipeline": PIPELINE,
    "servers": SERVERS,
}


def dashboards() -> dict[str, dict[str, Any]]:
    """Each file of deploy/observability/dashboards, its name and content."""
    return {f"{name}.json": _dashboard(name, panels) for name, panels in DASHBOARDS.items()}


def _dashboard(name: str, panels: tuple[Panel, ...]) -> dict[str, Any]:
    placed: list[dict[str, Any]] = []
    x, y = 0, 0
    for number, panel in enumerate(panels, 1):
        width, height = WIDTHS[panel.kind], HEIGHTS[panel.kind]
        if x + width > 24:
            x, y = 0, y + placed[-1]["gridPos"]["h"]
        placed.append(_panel(number, panel, {"x": x, "y": y, "w": width, "h": height}))
        x += width
    links = {"type": "dashboards", "tags": ["plaza"], "asDropdown": False, "title": "", "includeVars": False}
    return {
        "uid": f"plaza-{name}",
        "title": f"Plaza: {name if name != 'api' else 'API'}",
        "tags": ["plaza"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{**links, "keepTime": True}],
        "panels": placed,
    }


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    prometheus = {"type": "prometheus", "uid": "prometheus"}
    targets = [
        {"refId": chr(ord("A") + at), "datasource": prometheus, "expr": query, "legendFormat": legend}
        for at, (legend, query) in enumerate(panel.queries.items())
    ]
    shown: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.kind == "timeseries":
        shown["custom"] = {"fillOpacity": 10, "showPoints": "never"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": prometheus,
        "gridPos": place,
        "fieldConfig": {"defaults": shown, "overrides": []},
        "targets": targets,
    }
