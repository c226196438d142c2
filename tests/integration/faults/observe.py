"""Announcements as a stranger's AMQP client hears them, over every restart of the broker."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from types import TracebackType

import pika
from pika.exceptions import AMQPError

from tests.integration.faults.ledger import Announced

ENDS = ("search.completed.v1", "image.rejected.v1", "query.failed.v1", "image.indexed.v1")


class Listener:
    """Hears from ``with`` on. What the broker announces while the connection is made again is missed: results are the truth."""

    def __init__(self, url: str, exchange: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._exchange = exchange
        self._heard: defaultdict[str, list[Announced]] = defaultdict(list)
        self._lock = threading.Lock()
        self._listening = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        assert self._listening.wait(30), "the broker did not take an observer"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join(10)

    def heard(self) -> dict[str, list[Announced]]:
        """What was announced, by upload_id."""
        with self._lock:
            return {identity: list(listed) for identity, listed in self._heard.items()}

    def told_of(self, upload_id: str) -> bool:
        """Whether the end of this upload was announced."""
        with self._lock:
            return upload_id in self._heard

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._listen()
            except (AMQPError, OSError):
                self._end.wait(0.2)

    def _listen(self) -> None:
        connection = pika.BlockingConnection(self._parameters)
        try:
            channel = connection.channel()
            queue = str(channel.queue_declare("", exclusive=True).method.queue)
            for key in ENDS:
                channel.queue_bind(queue, self._exchange, f"{key}.#")
            self._listening.set()
            for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.2):
                if self._end.is_set():
                    return
                if method is not None and properties is not None and body is not None:
                    self._note(
                        str(method.routing_key).rpartition(".")[0], str((properties.headers or {}).get("ce-id")), bytes(body)
                    )
        finally:
            if connection.is_open:
                connection.close()

    def _note(self, kind: str, identity: str, body: bytes) -> None:
        data = json.loads(body)
        with self._lock:
            self._heard[str(data.get("upload_id"))].append(Announced(kind, identity, json.dumps(data, sort_keys=True)))
