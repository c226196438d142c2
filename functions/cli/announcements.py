"""What the pipeline announces, as a client hears it: an exclusive queue on the exchange for observers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pika
from pika.exceptions import AMQPError

Heard = Callable[[str, dict[str, Any]], None]
"""Called with routing key and data of each announcement, in the listener's thread."""


class Announcements:
    """Listens from ``__enter__`` on; a lost connection is made again, and ``missed`` says that something may be missing."""

    def __init__(self, url: str, exchange: str, keys: Sequence[str], heard: Heard) -> None:
        self._parameters = pika.URLParameters(url)
        self._exchange = exchange
        self._keys = keys
        self._heard = heard
        self._ready = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Announcements:
        self._thread.start()
        self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._listen()
            except (AMQPError, OSError):
                self._end.wait(0.5)

    def _listen(self) -> None:
        connection = pika.BlockingConnection(self._parameters)
        try:
            channel = connection.channel()
            queue = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue or ""
            for key in self._keys:
                channel.queue_bind(queue, self._exchange, key)
            self._ready.set()
            for method, _properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.2):
                if self._end.is_set():
                    return
                if method is not None:
                    self._heard(str(method.routing_key), json.loads(body or b"{}"))
        finally:
            if connection.is_open:
                connection.close()
