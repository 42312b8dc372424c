"""Every process's metrics, by the names the field uses; labels are few and bounded."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

HTTP_SECONDS = Histogram(
    "plaza_http_request_duration_seconds", "REST requests by route", ["method", "route", "status"], buckets=LATENCY_S
)
RATE_LIMITED = Counter("plaza_rate_limited_total", "REST requests over a limit", ["policy"])
TRANSACTION_SECONDS = Histogram(
    "plaza_transaction_duration_seconds", "Transactions by verb", ["verb"], buckets=LATENCY_S
)
OUTBOX_ROWS = Gauge("plaza_outbox_rows", "Events that the broker has not taken over")
EVENTS_PUBLISHED = Counter("plaza_events_published_total", "Events handed to the broker", ["path"])
FAST_PATH_SKIPPED = Counter("plaza_events_fast_path_skipped_total", "Events left to the relay because too many waited")
EVENTS_CONSUMED = Counter("plaza_events_consumed_total", "Deliveries by outcome", ["group", "outcome"])
BATCH_SIZE = Histogram(
    "plaza_consumer_batch_size", "Deliveries handled together", ["group"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
UPLOADS = Gauge("plaza_uploads", "Files that are arriving or are made pictures of")
UPLOADS_BYTES = Gauge("plaza_uploads_bytes", "Bytes of them in memory")
SWEEPS = Counter("plaza_sweeps_total", "Runs of the sweeper's jobs", ["job", "outcome"])
SWEPT = Counter("plaza_swept_total", "What the sweeper's jobs mended", ["job"])
SWEEP_SECONDS = Histogram("plaza_sweep_duration_seconds", "How long its jobs run", ["job"], buckets=LATENCY_S)
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
SOCKET_EVENTS_OUT = Counter("plaza_socket_pushes_total", "Frames written to sockets", ["kind"])
PUSH_SECONDS = Histogram("plaza_push_latency_seconds", "From the write to the socket", ["kind"], buckets=LATENCY_S)
RESUMES = Counter("plaza_resumes_total", "Connects of returning clients by outcome", ["outcome"])
POSITIONS_AHEAD = Counter("plaza_positions_ahead_total", "Sockets found behind their stream, by what found it", ["by"])
EVICTED = Counter("plaza_sockets_evicted_total", "Old connections cut because their client came back")
SLOW_READERS = Counter("plaza_slow_readers_closed_total", "Sockets closed over their back-pressure cap")
BACKPRESSURE_BYTES = Gauge("plaza_backpressure_bytes", "Bytes that wait for slow readers")
LOOP_LAG_S = Histogram("plaza_loop_lag_seconds", "How late the event loop runs", buckets=LATENCY_S)
REVOCATIONS_LAG_S = Gauge("plaza_revocations_lag_seconds", "Since the revoked sessions were last read")
LISTENER_UP = Gauge("plaza_listener_up", "1 while the Redis listener is confirmed")


def exposition() -> bytes:
    """The Prometheus text of this process."""
    return generate_latest(REGISTRY)
