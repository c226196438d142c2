"""What Prometheus is told of a gateway. Labels are of fixed sets: calls of the table, methods, statuses."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

CALLS = Counter("museum_gateway_calls", "Calls answered.", ["method", "call", "status"])
SECONDS = Histogram(
    "museum_gateway_call_seconds",
    "Seconds until a call's answer begins; a stream's goes on after that.",
    ["method", "call"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
STREAMS = Gauge("museum_gateway_streams", "Open streams.")
CONNECTED = Gauge("museum_gateway_announcements", "1 while announcements arrive from the trigger.")
AWAY = Counter("museum_gateway_away", "Calls that something behind the gateway did not answer for.", ["dependency"])
SEARCHES = Histogram(
    "museum_search_seconds",
    "Seconds from ingest to the stored result, of results that were read here.",
    buckets=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60),
)


def answered(method: str, call: str, status: int, seconds: float) -> None:
    """A call was answered."""
    CALLS.labels(method, call, str(status)).inc()
    SECONDS.labels(method, call).observe(seconds)
