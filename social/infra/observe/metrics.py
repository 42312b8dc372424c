"""Every process's metrics, by the names the field uses; labels are few and bounded. docs/metrics.md is made of this."""

import time
from collections.abc import Mapping

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# What a label can say. Nothing a client chooses, no id and no address: each value is a series for ever.
LABELS: Mapping[str, str] = {
    "by": "`gap`, `sweep`, `redis lost`, `late confirmation` or `again`",
    "collection": "collections of the store; of counts `posts`, `comments` or `users`",
    "command": "MongoDB's commands that the code sends",
    "counter": "the counters of a post, a comment, a person",
    "event": "the event catalogue (docs/asyncapi.json); `unknown` for any other",
    "group": "the consumer groups; `outbox` for events that no consumer of this release knows",
    "sweep": "the jobs of the sweeper",
    "kind": "`stream` or `hint`",
    "method": "the HTTP methods; `other` for any other",
    "lease": "`relay` and `sweeper`, of the first part; of the others with a number, or with the job's name",
    "outcome": "of events `done`, `retried`, `parked`; of jobs `done`, `failed`; of resumes `fresh`, `foreign`, "
    "`recovered`, `outside_window`, `left`; of messages `ok` or a problem's code",
    "path": "`fast` or `relay`",
    "policy": "the rate limits",
    "reason": "`client disconnect`, `server disconnect`, `ping timeout`, `transport close` or `transport error`",
    "result": "`ok`, or a problem's code",
    "route": "route templates, as in docs/openapi.json; `-` for what matches none",
    "server": "`store`, `redis` or `broker`",
    "status": "HTTP status codes",
    "task": "the background work of a process",
    "verb": "functions of the code that write",
}

HTTP_REQUESTS = Counter("plaza_http_requests_total", "REST requests answered", ["method", "route", "status"])
HTTP_SECONDS = Histogram(
    "plaza_http_request_duration_seconds", "From a request's head to its answer", ["method", "route"], buckets=LATENCY_S
)
HTTP_IN_FLIGHT = Gauge("plaza_http_requests_in_flight", "REST requests being worked on")
RATE_LIMITED = Counter("plaza_rate_limited_total", "REST requests over a limit", ["policy"])
ADMISSION_LIMIT = Gauge("plaza_admission_limit", "Requests this process works on at once before it refuses more")
REFUSED_AT_THE_DOOR = Counter("plaza_admission_refused_total", "Requests and messages refused because of overload")
TRANSACTION_SECONDS = Histogram(
    "plaza_transaction_duration_seconds", "Transactions by verb", ["verb"], buckets=LATENCY_S
)
STORE_SECONDS = Histogram(
    "plaza_store_command_duration_seconds", "Commands to MongoDB, with the way there", ["command"], buckets=LATENCY_S
)
LOADER_BATCH = Histogram(
    "plaza_loader_batch_size",
    "Documents that were asked for by id in one command",
    ["collection"],
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
COMMIT_GROUP = Histogram(
    "plaza_commit_group_size", "Transactions that were committed together", buckets=(1, 2, 4, 8, 16, 32, 64)
)
STORE_FAILURES = Counter("plaza_store_command_failures_total", "Commands that MongoDB refused or lost", ["command"])
STORE_CONNECTIONS = Gauge("plaza_store_connections", "Connections to MongoDB")
STORE_IN_USE = Gauge("plaza_store_connections_in_use", "Those that a command is using")
SERVER_UP = Gauge("plaza_server_up", "1 while the server answers this process; asked every 5 s", ["server"])
LEASE_HELD = Gauge("plaza_lease_held", "1 while this process is the one that does this part", ["lease"])
OUTBOX_ROWS = Gauge("plaza_outbox_rows", "Events that the broker has not taken over")
OUTBOX_OLDEST_S = Gauge("plaza_outbox_oldest_seconds", "Age of the oldest of them; 0 where there is none")
PARKED = Gauge("plaza_parked_messages", "Messages that failed for good and wait for a person")
EVENTS_PUBLISHED = Counter("plaza_events_published_total", "Events handed to the broker", ["path"])
FAST_PATH_SKIPPED = Counter("plaza_events_fast_path_skipped_total", "Events left to the relay because too many waited")
EVENTS_CONSUMED = Counter("plaza_events_consumed_total", "Deliveries by outcome", ["group", "outcome"])
PARTITIONS = Gauge("plaza_partitions", "Partitions that are this process's share, as far as it knows", ["group"])
BATCH_SIZE = Histogram(
    "plaza_consumer_batch_size", "Deliveries handled together", ["group"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
BATCH_SECONDS = Histogram(
    "plaza_consumer_batch_duration_seconds", "How long they took together", ["group"], buckets=LATENCY_S
)
CONSUME_SECONDS = Histogram(
    "plaza_consume_latency_seconds", "From the write to the start of its consumer's work", ["group"], buckets=LATENCY_S
)
UPLOADS = Gauge("plaza_uploads", "Files that are arriving or are made pictures of")
UPLOADS_BYTES = Gauge("plaza_uploads_bytes", "Bytes of them in memory")
SWEEPS = Counter("plaza_sweeps_total", "Runs of the sweeper's jobs", ["sweep", "outcome"])
SWEPT = Counter("plaza_swept_total", "What the sweeper's jobs mended", ["sweep"])
SWEEP_SECONDS = Histogram(
    "plaza_sweep_duration_seconds", "How long the sweeper's jobs run", ["sweep"], buckets=LATENCY_S
)
COUNTS_COMPARED = Counter(
    "plaza_counts_compared_total", "Posts, comments and people whose counts were compared", ["collection"]
)
COUNTS_DRIFT = Counter(
    "plaza_counts_drift_total", "By how much counts were wrong that were set right", ["collection", "counter"]
)
PUSHES = Counter("plaza_pushes_total", "Pushes handed to Redis", ["event"])
PUSHES_LOST = Counter("plaza_pushes_unsent_total", "Pushes Redis did not take; streams repair themselves")
SOCKETS = Gauge("plaza_sockets", "Authenticated sockets here")
HANDSHAKES = Counter("plaza_handshakes_total", "Socket.IO connects by result", ["result"])
SOCKET_EVENTS_IN = Counter("plaza_socket_events_received_total", "Messages from clients", ["event", "outcome"])
SOCKET_EVENT_SECONDS = Histogram(
    "plaza_socket_event_duration_seconds", "From a client's message to its ack", ["event"], buckets=LATENCY_S
)
DISCONNECTS = Counter("plaza_socket_disconnects_total", "Authenticated sockets that ended", ["reason"])
SOCKET_EVENTS_OUT = Counter("plaza_socket_pushes_total", "Frames written to sockets", ["kind"])
PUSH_SECONDS = Histogram("plaza_push_latency_seconds", "From the write to the socket", ["kind"], buckets=LATENCY_S)
RESUMES = Counter("plaza_resumes_total", "Connects of returning clients by outcome", ["outcome"])
POSITIONS_AHEAD = Counter("plaza_positions_ahead_total", "Sockets found behind their stream, by what found it", ["by"])
EVICTED = Counter("plaza_sockets_evicted_total", "Old connections cut because their client came back")
SLOW_READERS = Counter("plaza_slow_readers_closed_total", "Sockets closed over their back-pressure cap")
BACKPRESSURE_BYTES = Gauge("plaza_backpressure_bytes", "Bytes that wait for slow readers")
LOG_LINES_LOST = Counter("plaza_log_lines_lost_total", "Lines that the log file did not take")
LOOP_LAG_S = Histogram("plaza_loop_lag_seconds", "How late the event loop runs", buckets=LATENCY_S)
BACKGROUND_FAILURES = Counter(
    "plaza_background_failures_total", "Background work that failed and began anew after a pause", ["task"]
)
CLOCK_AHEAD_S = Gauge(
    "plaza_clock_ahead_seconds",
    "How far this machine's clock is ahead of the server's; negative: behind",
    ["server"],
)
REVOCATIONS_LAG_S = Gauge("plaza_revocations_lag_seconds", "Since the revoked sessions were last read")
LISTENER_UP = Gauge("plaza_listener_up", "1 while the Redis listener is confirmed")


class _Exposition:
    """The Prometheus text of this process: that of a moment ago, where else much of its time went into writing it."""

    def __init__(self) -> None:
        self._text, self._until = b"", float("-inf")

    def __call__(self) -> bytes:
        began = time.monotonic()
        if began >= self._until:
            self._text = generate_latest(REGISTRY)
            ended = time.monotonic()
            self._until = ended + min(OLDEST_S, RESTS * (ended - began))
        return self._text


RESTS = 10  # times as long as it took to write
OLDEST_S = 1.0
exposition = _Exposition()
