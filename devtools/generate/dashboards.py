"""Declarations of Grafana's dashboards; `make docs` writes deploy/observability/dashboards."""

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
    quiet: bool = False  # empty while all is well


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Return the query for events a second, summed over all processes."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{where}}}{OVER}))"


def quantile(q: float, histogram: str, by: str = "", where: str = "") -> str:
    """Return the query for a quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({histogram}_bucket{{{where}}}{OVER})))"


def quantiles(histogram: str, where: str = "") -> dict[str, str]:
    """Return the queries for the median and the slow tail of a histogram."""
    return {f"p{round(q * 100)}": quantile(q, histogram, where=where) for q in (0.5, 0.95, 0.99)}


def slowest(histogram: str, by: str) -> dict[str, str]:
    """Return the query for the 99th percentile of the ten slowest label values."""
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
    Panel("Processes up", {"{{job}}": f"sum by (job) (up{{{OURS}}})"}),
    Panel("Servers that every process reaches", {"{{server}}": "min by (server) (plaza_server_up)"}),
    Panel("REST duration", quantiles("plaza_http_request_duration_seconds", REST), "s"),
    Panel("Write → socket", quantiles("plaza_push_latency_seconds"), "s"),
    Panel("CPU", {"{{job}} {{instance}}": f"rate(process_cpu_seconds_total{{{OURS}}}{OVER})"}, "percentunit"),
    Panel("Memory", {"{{job}} {{instance}}": f"process_resident_memory_bytes{{{OURS}}}"}, "bytes"),
    Panel("Event loop lag, p99", {"{{job}}": quantile(0.99, "plaza_event_loop_lag_seconds", "job")}, "s"),
    Panel("Open files", {"{{job}} {{instance}}": f"process_open_fds{{{OURS}}}"}),
)

API = (
    Panel("Requests by route", {"{{method}} {{route}}": f"topk(10, {rate(REQUESTS, 'method, route', REST)})"}, "reqps"),
    Panel(
        "Requests by class of status",
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
    Panel("Rate limited", {"{{policy}}": rate("plaza_http_rate_limited_total", "policy")}, "reqps", quiet=True),
    Panel("Transactions", {"{{verb}}": f"topk(10, {rate('plaza_transaction_duration_seconds_count', 'verb')})"}, "ops"),
    Panel("Slowest transactions, p99", slowest("plaza_transaction_duration_seconds", "verb"), "s"),
    Panel("MongoDB commands", {"{{command}}": rate("plaza_store_command_duration_seconds_count", "command")}, "ops"),
    Panel("MongoDB commands, p99", slowest("plaza_store_command_duration_seconds", "command"), "s"),
    Panel(
        "MongoDB commands that failed",
        {"{{command}}": rate("plaza_store_command_failures_total", "command")},
        "ops",
        says="A few are conflicts of transactions, which are tried again",
        quiet=True,
    ),
    Panel(
        "Connections to MongoDB",
        {
            "{{job}}": "sum by (job) (plaza_store_connections)",
            "{{job}} in use": "sum by (job) (plaza_store_connections_in_use)",
        },
    ),
    Panel("Uploads in memory", {"{{instance}}": "plaza_uploads_in_flight_bytes"}, "bytes"),
    Panel("Age of the list of revoked sessions", {"{{job}}": "max by (job) (plaza_revocations_lag_seconds)"}, "s"),
)

REALTIME = (
    Panel("Sockets", {"{{instance}}": 'plaza_sockets{job="realtime"}'}),
    Panel("Handshakes", {"{{result}}": rate("plaza_socket_handshakes_total", "result")}, "ops"),
    Panel("Disconnects", {"{{reason}}": rate("plaza_socket_disconnects_total", "reason")}, "ops"),
    Panel("Resumes", {"{{outcome}}": rate("plaza_socket_resumes_total", "outcome")}, "ops"),
    Panel("Frames written to sockets", {"{{kind}}": rate("plaza_socket_frames_sent_total", "kind")}, "ops"),
    Panel("Write → socket, streams", quantiles("plaza_push_latency_seconds", 'kind="stream"'), "s"),
    Panel("Write → socket, hints", quantiles("plaza_push_latency_seconds", 'kind="hint"'), "s"),
    Panel("Messages from clients", {"{{event}}": rate("plaza_socket_events_received_total", "event")}, "ops"),
    Panel("Slowest messages, p99", slowest("plaza_socket_event_duration_seconds", "event"), "s"),
    Panel(
        "Messages refused",
        {"{{outcome}}": rate("plaza_socket_events_received_total", "outcome", 'outcome!="ok"')},
        "ops",
        quiet=True,
    ),
    Panel(
        "Sockets closed by the gateway",
        {"slow reader": rate("plaza_sockets_closed_slow_total"), "replaced": rate("plaza_sockets_evicted_total")},
        "ops",
    ),
    Panel("Bytes buffered for slow readers", {"{{instance}}": 'plaza_backpressure_bytes{job="realtime"}'}, "bytes"),
    Panel(
        "Stale stream positions", {"{{found_by}}": rate("plaza_stale_stream_positions_total", "found_by")}, quiet=True
    ),
    Panel("Redis listener up", {"{{instance}}": 'plaza_redis_listener_up{job="realtime"}'}),
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
    Panel("Write → consumer, p99", {"{{group}}": quantile(0.99, "plaza_consumer_latency_seconds", "group")}, "s"),
    Panel(
        "Deliveries in a batch",
        {
            "{{group}}": f"({rate('plaza_consumer_batch_size_sum', 'group')}) / "
            f"({rate('plaza_consumer_batch_size_count', 'group')})"
        },
    ),
    Panel("Batches, p99", {"{{group}}": quantile(0.99, "plaza_consumer_batch_duration_seconds", "group")}, "s"),
    Panel("Messages in SQS", {"{{group}} {{state}}": "sum by (group, state) (plaza_queue_messages)"}, quiet=True),
    Panel("Oldest message from SQS", {"{{group}}": "max by (group) (plaza_queue_oldest_seconds)"}, "s", quiet=True),
    Panel("Requests to SQS", {"{{operation}}": rate("plaza_sqs_requests_total", "operation")}, "ops", quiet=True),
    Panel("Parked messages", {"": "max(plaza_parked_messages)"}, says="python -m social parked list"),
    Panel("Pushes published to Redis", {"{{event}}": rate("plaza_pushes_total", "event")}, "ops"),
    Panel("Pushes that Redis did not accept", {"": rate("plaza_push_failures_total")}, "ops"),
    Panel("Partitions of each worker", {"{{group}} {{instance}}": 'plaza_consumer_partitions{job="workers"}'}),
    Panel("Leases held", {"{{lease}} {{instance}}": 'plaza_lease_held{job="workers"}'}),
    Panel("Sweeper jobs", {"{{sweep}} {{outcome}}": rate("plaza_sweep_runs_total", "sweep, outcome")}, "ops"),
    Panel(
        "Count drift corrected",
        {"{{collection}} {{counter}}": rate("plaza_counts_drift_total", "collection, counter")},
        quiet=True,
    ),
)

# Exporters of the servers: RabbitMQ's own plugin, percona/mongodb_exporter,
# oliver006/redis_exporter and nginx-prometheus-exporter, in the versions of compose.yml.
SERVERS = (
    Panel("Exporters up", {"{{job}}": 'min by (job) (up{job=~"mongo|nginx|rabbitmq|redis"})'}),
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
    Panel("Redis: memory", {"used": "redis_memory_used_bytes", "maximum": "redis_memory_max_bytes"}, "bytes"),
    Panel("Redis: clients", {"": "redis_connected_clients"}),
    Panel("Redis: keys evicted", {"": rate("redis_evicted_keys_total")}, "ops"),
    Panel("MongoDB: connections", {"{{conn_type}}": 'mongodb_ss_connections{conn_type=~"current|active"}'}),
    Panel(
        "MongoDB: healthy members",
        {"{{member_idx}} {{member_state}}": "mongodb_members_health"},
    ),
    Panel(
        "MongoDB: oplog window",
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
    """Return the files of deploy/observability/dashboards, by name."""
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
