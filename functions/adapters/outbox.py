"""The trigger's localhost outbox: how an event that starts outside the broker is published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import urllib3

from functions.errors import Unavailable
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
        common = attributes_of(event_type, event_id, source=source, traceparent=trace_of(None, event_id))
        headers = {f"ce-{name}": value for name, value in {**common, **known, "lane": lane}.items()}
        headers["content-type"] = "application/json"
        try:
            answer = self._pool.request("POST", self._url, body=json.dumps(data).encode(), headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable("outbox", f"{self._url} does not answer: {error}") from None
        if answer.status != 202:
            raise Unavailable("outbox", f"{self._url} answered {answer.status}: {answer.data[:200].decode(errors='replace')}")
