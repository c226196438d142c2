"""What the sweep tells of itself while it goes on: when it last looked, what it raised, and whether it moves."""

from __future__ import annotations

import time
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, generate_latest

STILL = 600.0
"""Seconds without an object, beside the pause between two looks, after which it is stuck."""
LOOKED = Gauge(
    "museum_sweep_last_look_timestamp_seconds", "When the last whole look ended, in seconds since the epoch; 0: none yet."
)
RAISED = Counter("museum_sweep_raised", "Events raised again: of an upload (created) or a removal (removed).", ["kind"])


class Status:
    """``/healthz`` and ``/metrics`` of the sweep."""

    def __init__(self, *, pause: float = 0.0) -> None:
        self._patience = STILL + pause
        self._moved = time.monotonic()

    def moved(self) -> None:
        """It is at work, or has tried."""
        self._moved = time.monotonic()

    def looked(self) -> None:
        """A whole look has ended."""
        LOOKED.set_to_current_time()

    def raised(self, kind: str) -> None:
        """One event was raised."""
        RAISED.labels(kind).inc()

    def answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """A request, as WSGI has it."""
        if environ["PATH_INFO"] == "/metrics":
            start("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
            return [generate_latest()]
        still = time.monotonic() - self._moved
        known = environ["PATH_INFO"] == "/healthz"
        status = "404 Not Found" if not known else "200 OK" if still < self._patience else "503 Service Unavailable"
        start(status, [("Content-Type", "text/plain")])
        return [f"moved {still:.0f} s ago\n".encode() if known else b"/healthz or /metrics\n"]

    def serve(self, port: int) -> None:
        """On all addresses, in a thread that ends with the process."""
        server = make_server("", port, self.answer, server_class=Threads, handler_class=Quiet)
        Thread(target=server.serve_forever, daemon=True).start()


class Threads(ThreadingMixIn, WSGIServer):
    """One a request: who asks and says nothing holds up nobody."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Writes no line a request."""

    def log_message(self, *_: object) -> None:
        """Nothing."""
