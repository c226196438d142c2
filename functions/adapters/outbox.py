"""The trigger's localhost outbox: how an event that starts outside the broker is published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import urllib3

from functions.errors import Unavailable
from functions.events import TYPE_PREFIX
from functions.runtime import tracing
from functions.runtime.attributes import attributes_of, trace_of


class Outbox:
    """Publishes by POST to the trigger; returns once the broker has confirmed. Thread-safe."""

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(maxsize=8, timeout=timeout, retries=False)

    def publish(
        self,
        event_type: str,
        event_id: str,
        data: dict[str, Any],
        *,
        lane: str,
        source: str = "/museum-search/gateway",
        known: Mapping[str, str] = {},
    ) -> None:
        """Publish one event; ``known`` are attributes more, museum and owner for two.

        Raises ``Unavailable("outbox", …)`` unless it was confirmed.
        """
        parent = tracing.arrived()
        values = {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
            "messaging.message.id": event_id,
            "cloudevents.event_id": event_id,
            "cloudevents.event_type": event_type,
            "museum.lane": lane,
        }
        name = f"publish {event_type.removeprefix(TYPE_PREFIX)}"
        with tracing.span(name, "producer", values, parent=parent or None, seed=event_id) as span:
            context = span.carries() or parent
            common = attributes_of(
                event_type, event_id, source=source, traceparent=trace_of(context.get("traceparent"), event_id)
            )
            self._send({**common, **known, **context, "lane": lane}, json.dumps(data).encode())

    def _send(self, attributes: Mapping[str, str], body: bytes) -> None:
        headers = {f"ce-{name}": value for name, value in attributes.items()} | {"content-type": "application/json"}
        try:
            answer = self._pool.request("POST", self._url, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable("outbox", f"{self._url} does not answer: {error}") from None
        if answer.status != 202:
            raise Unavailable("outbox", f"{self._url} answered {answer.status}: {answer.data[:200].decode(errors='replace')}")
