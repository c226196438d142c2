"""Where an event goes next, and that it got there."""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from functions.runtime import tracing
from functions.trigger.binding import CloudEvent, carrying, summary, to_amqp, topic_of

REMEMBER = 120.0
"""Seconds for which a reply is not published again: both notifications of an upload arrive within 3 s."""
MAX_REMEMBERED = 100_000


class Sends(Protocol):
    """A broker, as far as publishing goes."""

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, *, headers: Mapping[str, Any], content_type: str, mandatory: bool
    ) -> None:
        """Publish and wait for the confirm."""


@contextlib.contextmanager
def traced(event: CloudEvent, destination: str) -> Iterator[CloudEvent]:
    """The event as it is published within the block: what is made of it is a child of its publishing."""
    values = messaging("publish", "send", event, destination)
    with tracing.span(f"publish {destination}", "producer", values, seed=event.id) as span:
        yield carrying(event, span.carries())


def messaging(name: str, kind: str, event: CloudEvent, destination: str) -> dict[str, str | int | bool]:
    """What a span tells of a message, by the semantic conventions of messaging; never its subject."""
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": destination,
        "messaging.message.id": event.id,
        "messaging.message.body.size": len(event.data),
        "cloudevents.event_id": event.id,
        "cloudevents.event_type": event.type,
    }


class Publisher:
    """Publishes events to their next queue and a copy to observers.

    A reply that was published is not published again: ids are derived, so what has the same id and queue is the same event. Two
    copies that are in work together may both be, which costs work and changes nothing. It is forgotten with the connection: a
    broker that was wiped must get everything again.
    """

    def __init__(self, broker: Sends, exchange: str, prefix: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._exchange = exchange
        self._prefix = prefix
        self._clock = clock
        self._done: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def reply(self, event: CloudEvent, queue: str | None, *, announce: bool) -> None:
        """Publish what a function answered."""
        if queue is not None and self._is_done(queue, event.id):
            return
        with traced(event, queue or self._exchange) as told:
            if queue is not None:
                await self.send(queue, told)
            if announce:
                await self._announce(told)
        if queue is not None:
            self._remember(queue, event.id)

    async def send(self, queue: str, event: CloudEvent, headers: Mapping[str, Any] = {}) -> None:
        """Publish to a queue by name, confirmed and mandatory."""
        await self._broker.publish(
            "", queue, event.data, headers={**to_amqp(event), **headers}, content_type=event.content_type, mandatory=True
        )

    async def _announce(self, event: CloudEvent) -> None:
        copy = summary(event)
        key = f"{event.type.removeprefix(self._prefix)}.{topic_of(event)}"
        await self._broker.publish(
            self._exchange, key, copy.data, headers=to_amqp(copy), content_type=copy.content_type, mandatory=False
        )

    def _is_done(self, queue: str, identity: str) -> bool:
        now = self._clock()
        while self._done and (len(self._done) > MAX_REMEMBERED or next(iter(self._done.values())) < now - REMEMBER):
            self._done.popitem(last=False)
        return (queue, identity) in self._done

    def _remember(self, queue: str, identity: str) -> None:
        self._done[(queue, identity)] = self._clock()
