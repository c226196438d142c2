"""A trigger's outbox that answers as a test says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Self

from functions.trigger.binding import CloudEvent, from_http

CONTEXT = {"specversion", "id", "source", "type", "subject", "time", "dataschema", "traceparent", "lane"}
"""What every event has on its way."""


class FakeTrigger(HTTPServer):
    """Keeps what was sent to it, and answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.got: list[CloudEvent] = []
        self.status = 202

    @classmethod
    @contextlib.contextmanager
    def listening(cls) -> Iterator[Self]:
        """In a thread of its own, until the block ends."""
        with cls() as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            yield server
            server.shutdown()
            thread.join()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: FakeTrigger

    def do_POST(self) -> None:
        """Keep it."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(from_http(dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""
