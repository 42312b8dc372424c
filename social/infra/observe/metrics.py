"""The metrics of every process, by the names the field uses; labels are few and bounded. docs/metrics.md shows them."""

import time
from collections.abc import Mapping

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# The values of each label. Nothing a client chooses, no id and no address: each value is a series for ever.
LABELS: Mapping[str, str] = {
    "collection": "collections of the store; of counts `posts`, `comments` or `users`",
    "command": "MongoDB commands that the code sends",
    "counter": "the counters of a post, a comment, a person",
    "event": "the event catalogue (docs/asyncapi.json); `unknown` for any other",
    "found_by": "`gap`, `sweep`, `redis lost`, `late confirmation` or `again`",
    "group": "the consumer groups; `outbox` for events that no consumer of this release knows, or too large",
    "kind": "`stream` or `hint`",
    "lease": "`relay` and `sweeper` for the first part; for the others followed by a number or by the name of a job",
    "method": "HTTP methods; `other` for an unknown one",
    "operation": "operations of SQS that the code asks for, as `receive_message`",
    "outcome": "of events `done`, `retried`, `parked`; of jobs `done`, `failed`; of resumes `fresh`, `foreign`, "
    "`recovered`, `outside_window`, `left`; of messages `ok` or a problem's code",
    "path": "`fast` or `relay`",
    "policy": "the rate limits",
    "reason": "`client disconnect`, `server disconnect`, `ping timeout`, `transport close` or `transport error`",
    "result": "`ok`, or a problem's code",
    "route": "route templates, as in docs/openapi.json; `-` for requests that match none",
    "server": "`store`, `redis` or `broker`",
    "state": "of messages in a queue: `waiting`, `taken` by a consumer, or `delayed` until they are tried again",
    "status": "HTTP status codes",
    "sweep": "the jobs of the sweeper",
    "task": "the background work of a process",
    "verb": "functions of the code that write",
}

HTTP_REQUESTS = Counter("plaza_http_requests_total", "REST requests that were answered", ["method", "route", "status"])
HTTP_SECONDS = Histogram(
    "plaza_http_request_duration_seconds",
    "Time from the head of a request to its answer",
    ["method", "route"],
    buckets=LATENCY_S,
)
HTTP_IN_FLIGHT = Gauge("plaza_http_requests_in_flight", "REST requests that this process is working on")
HTTP_RATE_LIMITED = Counter(
    "plaza_http_rate_limited_total", "REST requests refused because they exceeded a rate limit", ["policy"]
)
ADMISSION_LIMIT = Gauge("plaza_admission_limit", "Requests that this process works on at once before it refuses more")
ADMISSION_REFUSED = Counter(
    "plaza_admission_refused_total", "Requests and socket messages refused because the process was overloaded"
)
TRANSACTION_SECONDS = Histogram(
    "plaza_transaction_duration_seconds",
    "Duration of transactions, by the function that writes",
    ["verb"],
    buckets=LATENCY_S,
)
STORE_SECONDS = Histogram(
    "plaza_store_command_duration_seconds",
    "Duration of MongoDB commands, including the network",
    ["command"],
    buckets=LATENCY_S,
)
LOADER_BATCH = Histogram(
    "plaza_loader_batch_size",
    "Documents requested by id in a single command",
    ["collection"],
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
COMMIT_GROUP = Histogram(
    "plaza_commit_group_size",
    "Transactions committed together in a single store transaction",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
STORE_FAILURES = Counter(
    "plaza_store_command_failures_total", "MongoDB commands that were refused or lost", ["command"]
)
STORE_CONNECTIONS = Gauge("plaza_store_connections", "Open connections to MongoDB")
STORE_IN_USE = Gauge("plaza_store_connections_in_use", "Connections to MongoDB that a command is using")
SERVER_UP = Gauge(
    "plaza_server_up", "1 while this server answers the process, 0 otherwise; checked every 5 s", ["server"]
)
LEASE_HELD = Gauge("plaza_lease_held", "1 while this process holds the lease, 0 otherwise", ["lease"])
OUTBOX_ROWS = Gauge("plaza_outbox_rows", "Events in the outbox that the broker has not confirmed")
OUTBOX_OLDEST_S = Gauge("plaza_outbox_oldest_seconds", "Age of the oldest event in the outbox; 0 when it is empty")
PARKED_MESSAGES = Gauge("plaza_parked_messages", "Parked messages (dead letters) that wait for an operator")
EVENTS_PUBLISHED = Counter("plaza_events_published_total", "Events published to the broker", ["path"])
FAST_PATH_SKIPPED = Counter(
    "plaza_events_fast_path_skipped_total", "Events left to the relay because too many waited to be published"
)
EVENTS_CONSUMED = Counter("plaza_events_consumed_total", "Deliveries handled by consumers", ["group", "outcome"])
CONSUMER_PARTITIONS = Gauge(
    "plaza_consumer_partitions", "Partitions of the group that this process consumes", ["group"]
)
QUEUE_MESSAGES = Gauge(
    "plaza_queue_messages",
    "Messages in the SQS queues whose consumer this process is, asked once a minute; RabbitMQ has metrics of its own",
    ["group", "state"],
)
SQS_REQUESTS = Counter("plaza_sqs_requests_total", "Requests to SQS, each of which costs money", ["operation"])
QUEUE_OLDEST_S = Gauge(
    "plaza_queue_oldest_seconds",
    "Age of the oldest message that this process received from SQS and has not handled",
    ["group"],
)
BATCH_SIZE = Histogram(
    "plaza_consumer_batch_size", "Deliveries in a batch", ["group"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
BATCH_SECONDS = Histogram(
    "plaza_consumer_batch_duration_seconds", "Time to handle a batch of deliveries", ["group"], buckets=LATENCY_S
)
CONSUMER_LATENCY = Histogram(
    "plaza_consumer_latency_seconds",
    "Time from the write that recorded an event to the start of its consumer's work",
    ["group"],
    buckets=LATENCY_S,
)
UPLOADS_IN_FLIGHT = Gauge("plaza_uploads_in_flight", "Files that are being received or made into pictures")
UPLOADS_IN_FLIGHT_BYTES = Gauge(
    "plaza_uploads_in_flight_bytes", "Memory held by files that are being received or made into pictures"
)
SWEEP_RUNS = Counter("plaza_sweep_runs_total", "Runs of the sweeper's jobs", ["sweep", "outcome"])
SWEEP_ITEMS = Counter(
    "plaza_sweep_items_total", "Documents, files and counts that the sweeper's jobs deleted or repaired", ["sweep"]
)
SWEEP_SECONDS = Histogram(
    "plaza_sweep_duration_seconds", "Duration of the sweeper's jobs", ["sweep"], buckets=LATENCY_S
)
COUNTS_COMPARED = Counter(
    "plaza_counts_compared_total",
    "Posts, comments and people whose stored counts were compared with the documents",
    ["collection"],
)
COUNTS_DRIFT = Counter(
    "plaza_counts_drift_total",
    "Sum of the differences that were found and corrected in stored counts",
    ["collection", "counter"],
)
PUSHES = Counter("plaza_pushes_total", "Pushes published to Redis", ["event"])
PUSH_FAILURES = Counter(
    "plaza_push_failures_total", "Pushes that Redis did not accept; sockets read what they missed from their streams"
)
SOCKETS = Gauge("plaza_sockets", "Authenticated sockets connected to this process")
SOCKET_HANDSHAKES = Counter("plaza_socket_handshakes_total", "Socket.IO connects", ["result"])
SOCKET_EVENTS_IN = Counter("plaza_socket_events_received_total", "Messages received from clients", ["event", "outcome"])
SOCKET_EVENT_SECONDS = Histogram(
    "plaza_socket_event_duration_seconds", "Time from a client's message to its ack", ["event"], buckets=LATENCY_S
)
SOCKET_DISCONNECTS = Counter("plaza_socket_disconnects_total", "Authenticated sockets that disconnected", ["reason"])
SOCKET_FRAMES_SENT = Counter("plaza_socket_frames_sent_total", "Frames written to sockets", ["kind"])
PUSH_SECONDS = Histogram(
    "plaza_push_latency_seconds",
    "Time from the write that caused a push to its frame on the socket",
    ["kind"],
    buckets=LATENCY_S,
)
SOCKET_RESUMES = Counter("plaza_socket_resumes_total", "Connects of returning clients", ["outcome"])
STALE_POSITIONS = Counter(
    "plaza_stale_stream_positions_total", "Sockets whose stream position was behind the stored stream", ["found_by"]
)
SOCKETS_EVICTED = Counter("plaza_sockets_evicted_total", "Sockets closed because their client connected again")
SOCKETS_CLOSED_SLOW = Counter(
    "plaza_sockets_closed_slow_total", "Sockets closed because their unsent frames exceeded the limit"
)
BACKPRESSURE_BYTES = Gauge("plaza_backpressure_bytes", "Bytes buffered for sockets that read slowly")
LOG_LINES_DROPPED = Counter("plaza_log_lines_dropped_total", "Lines that could not be written to the log file")
EVENT_LOOP_LAG_S = Histogram(
    "plaza_event_loop_lag_seconds", "Delay of the event loop, measured every second", buckets=LATENCY_S
)
BACKGROUND_FAILURES = Counter(
    "plaza_background_failures_total", "Background tasks that failed and were restarted after a pause", ["task"]
)
CLOCK_OFFSET_S = Gauge(
    "plaza_clock_offset_seconds",
    "Offset of this machine's clock from the server's; positive when this machine is ahead",
    ["server"],
)
REVOCATIONS_LAG_S = Gauge("plaza_revocations_lag_seconds", "Time since the list of revoked sessions was last read")
REDIS_LISTENER_UP = Gauge("plaza_redis_listener_up", "1 while the Redis subscription delivers messages, 0 otherwise")


OLDEST_S = 1.0
RESTS = 10  # times as long as it took to write


class _Exposition:
    """The metrics as Prometheus text; a recent text is used again, so that writing it takes little of the process."""

    def __init__(self) -> None:
        self._text, self._until = b"", float("-inf")

    def __call__(self) -> bytes:
        began = time.monotonic()
        if began >= self._until:
            self._text = generate_latest(REGISTRY)
            ended = time.monotonic()
            self._until = ended + min(OLDEST_S, RESTS * (ended - began))
        return self._text


exposition = _Exposition()
