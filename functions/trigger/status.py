"""What a trigger tells of itself: whether it lives, whether it is connected, and how its deliveries end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

DELIVERIES = Counter("museum_deliveries", "Deliveries by how they ended.", ["function", "lane", "outcome"])
SECONDS = Histogram(
    "museum_delivery_seconds",
    "Seconds from a message's arrival to its end here, waiting for a dependency that is down included.",
    ["function", "lane"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
WAITED = Histogram(
    "museum_waited_seconds",
    "Seconds from an event's time, or a bucket's change that it tells of, to its first arrival at a trigger: how old work is.",
    ["function", "lane"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 14400),
)
CONNECTED = Gauge("museum_trigger_connected", "1 while the trigger is connected to RabbitMQ.")
OUTCOMES = ("done", "retry", "dead", "crashed", "handed back", "unavailable", "connection lost")
"""A metric's labels are of a fixed set."""


def delivered(function: str, lane: str, outcome: str, seconds: float) -> None:
    """Count a line of the log: ``retry in 5 s`` is a retry. One that goes on is no end, and has no time."""
    kind = next((known for known in OUTCOMES if outcome.startswith(known)), "other")
    DELIVERIES.labels(function, lane, kind).inc()
    if kind in ("done", "retry", "dead"):
        SECONDS.labels(function, lane).observe(seconds)


def arrived(function: str, lane: str, made: str) -> None:
    """Tell how long an event has waited, by its attribute ``time``; one without a time tells nothing."""
    try:
        waited = datetime.now(UTC) - datetime.fromisoformat(made)
    except (ValueError, TypeError):  # no time, or one without a zone
        return
    WAITED.labels(function, lane).observe(max(0.0, waited.total_seconds()))


def status_application(connected: Callable[[], bool]) -> web.Application:
    """``/healthz``, ``/readyz`` and ``/metrics``: may be reached by others, since nothing can be published there."""
    CONNECTED.set_function(lambda: float(connected()))

    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n") if connected() else web.Response(status=503, text="RabbitMQ is not connected\n")

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", metrics)])
    return app
