"""A trigger's outbox that answers as a test says."""

from __future__ import annotations

from functions.trigger.binding import CloudEvent, from_http
from tests.listening import Listening

CONTEXT = {"specversion", "id", "source", "type", "subject", "time", "dataschema", "traceparent", "lane"}
"""What every event has on its way."""


class FakeTrigger(Listening):
    """Keeps what was sent to it, and answers as it is told."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(host)
        self.got: list[CloudEvent] = []
        self.status = 202

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """See :class:`tests.listening.Listening`."""
        self.got.append(from_http(headers, body))
        return self.status, b""
