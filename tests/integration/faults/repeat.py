"""Messages delivered three times at once, late, and before those that wait for longer."""

from __future__ import annotations

import pika
import urllib3
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from functions import pipeline
from functions.events import BucketNotified, Lane
from functions.trigger.binding import BATCH, CloudEvent, batch, from_amqp, from_http, to_amqp, to_http, wrapped
from functions.trigger.main import route
from infra.local.stack import Stack
from tests.integration.faults.ledger import Kind

TIMEOUT = 5.0
"""Seconds that a function has for an event that is made again: it may be dead."""
ENDS_IN: dict[str, tuple[Kind, ...]] = {"search": ("query",), "index": ("catalogue", "import"), "finish": ("broken", "spoilt")}
"""Which uploads come to a step that not all come to."""


def thrice(stack: Stack, step: str, lane: Lane, notification: bytes) -> str:
    """Put three copies of one message into the queue of ``step`` in a lane at once, and say which queue that was.

    It is a message that waits there, which thereby also loses its place to those behind it. Where none waits it is made again of
    an upload's ``notification`` by the functions themselves; and where one of them is dead, the notification. Empty where the
    broker is away.
    """
    try:
        connection = pika.BlockingConnection(pika.URLParameters(stack.environment()["MUSEUM_AMQP_URL"]))
    except (AMQPError, OSError):
        return ""
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        return _waiting(channel, pipeline.queue_of(lane, step)) or _made(channel, stack, step, lane, notification)
    except AMQPError:
        return ""
    finally:
        if connection.is_open:
            connection.close()


def _waiting(channel: BlockingChannel, queue: str) -> str:
    method, properties, body = channel.basic_get(queue)
    if method is None or body is None:
        return ""
    event = from_amqp((properties.headers if properties else None) or {}, properties.content_type if properties else None, body)
    for _ in range(3):
        channel.basic_publish("", queue, bytes(body) if event is None else event.data, properties, mandatory=True)
    channel.basic_ack(int(method.delivery_tag or 0))
    return queue


def _made(channel: BlockingChannel, stack: Stack, step: str, lane: Lane, notification: bytes) -> str:
    event = made(stack, step, lane, notification)
    if event is None:
        step, event = "ingest", wrapped(notification, BucketNotified.TYPE, lane=lane)
    queue = pipeline.queue_of(lane, step)
    properties = pika.BasicProperties(headers=to_amqp(event), content_type=event.content_type, delivery_mode=2)
    for _ in range(3):
        channel.basic_publish("", queue, event.data, properties, mandatory=True)
    return queue


def made(stack: Stack, step: str, lane: Lane, notification: bytes) -> CloudEvent | None:
    """The event that ``step`` gets of a notification, made by the functions before it; ``None`` where it cannot be had."""
    event, at = wrapped(notification, BucketNotified.TYPE, lane=lane), "ingest"
    while at != step:
        answered = _answer(f"http://127.0.0.1:{stack.state.ports[f'{at}_{lane}']}", event)
        if answered is None:
            return None
        queue, _ = route(answered.type, lane, emitted_by=at)
        if queue is None:
            return None
        event, at = answered, queue.rpartition(".")[2]
        if at in ENDS_IN and at != step:
            return None
    return event


def _answer(url: str, event: CloudEvent) -> CloudEvent | None:
    try:
        answer = urllib3.request("POST", url, body=event.data, headers=to_http(event), timeout=TIMEOUT, retries=False)
    except urllib3.exceptions.HTTPError:
        return None
    if answer.status != 200:
        return None
    if answer.headers.get("content-type", "").startswith(BATCH):
        return next(iter(batch(answer.data)), None)
    return from_http(answer.headers, answer.data)
