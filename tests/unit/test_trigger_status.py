"""What a trigger tells of itself, and how it is told where RabbitMQ is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import REGISTRY

from functions import pipeline
from functions.runtime.settings import with_credentials
from functions.trigger.binding import to_amqp
from functions.trigger.broker import Message
from functions.trigger.consumer import ATTEMPTS, Consumer
from functions.trigger.main import TriggerSettings, work_of
from functions.trigger.status import delivered, status_application
from tests.unit.test_tracing import event_of


@pytest.mark.parametrize("password", ["simple", "p@ss/word:with#signs?", "пароль"])
def test_credentials_that_come_by_themselves_are_put_into_the_address(password: str) -> None:
    """Whatever signs they have."""
    parts = urlsplit(with_credentials("amqps://host:5671/museum", "us@er", password))
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == ("us@er", password)
    assert (parts.scheme, parts.hostname, parts.port, parts.path) == ("amqps", "host", 5671, "/museum")


def test_an_address_with_its_own_credentials_is_left_alone() -> None:
    """As the stack of one machine has it; where both are given, those by themselves count."""
    assert with_credentials("amqp://a:b@host/", "", "") == "amqp://a:b@host/"
    assert with_credentials("amqp://a:b@host/", "c", "d") == "amqp://c:d@host/"


def counted(outcome: str) -> float:
    """Deliveries of a function that nobody has."""
    return REGISTRY.get_sample_value("museum_deliveries_total", {"function": "none", "lane": "bulk", "outcome": outcome}) or 0.0


def test_outcomes_are_counted_by_kind() -> None:
    """Each delay of a retry is a retry; a word that nobody expected does not make a label."""
    for said in ("done", "retry in 1 s", "retry in 30 s", "handed back", "something new"):
        delivered("none", "bulk", said, 0.1)
    assert [counted(kind) for kind in ("done", "retry", "handed back", "other", "something new")] == [1, 2, 1, 1, 0]


def waited() -> tuple[float, float]:
    """How many events have arrived at finish, and how long they have waited."""
    labels = {"function": "finish", "lane": "interactive"}
    count, total = (REGISTRY.get_sample_value(f"museum_waited_seconds_{what}", labels) or 0.0 for what in ("count", "sum"))
    return count, total


def arrives(made: str, *, redelivered: bool = False, **headers: Any) -> tuple[float, float]:
    """What one message adds."""
    settings = TriggerSettings(museum_amqp_url="", museum_lane="interactive", museum_functions="")
    consumer = Consumer(work_of(pipeline.BY_NAME["finish"], "http://x", settings), None, None, None)  # type: ignore[arg-type]
    event = event_of("io.museumsearch.search.completed.v1", "1", **({"time": made} if made else {}))
    before = waited()
    consumer._job(Message(1, {**to_amqp(event), **headers}, "application/json", event.data, redelivered))
    after = waited()
    return after[0] - before[0], after[1] - before[1]


def test_it_is_told_how_long_work_has_waited() -> None:
    """By the event's own time, once: not where it comes again, nor where there is none. A clock that is ahead counts as now."""
    old = (datetime.now(UTC) - timedelta(seconds=90)).isoformat()
    count, seconds = arrives(old.replace("+00:00", "Z"))
    assert count == 1
    assert 90 <= seconds < 100
    assert arrives((datetime.now(UTC) + timedelta(seconds=90)).isoformat()) == (1, 0)
    assert arrives(old, redelivered=True) == arrives(old, **{ATTEMPTS: 1}) == (0, 0)
    assert arrives("") == arrives("yesterday") == arrives("2026-01-01T00:00:00") == (0, 0)


def test_a_buckets_notification_tells_when_it_happened() -> None:
    """It is no CloudEvent; one without a time, or that is no JSON, tells nothing."""
    settings = TriggerSettings(museum_amqp_url="", museum_lane="bulk", museum_functions="")
    consumer = Consumer(work_of(pipeline.BY_NAME["ingest"], "http://x", settings), None, None, None)  # type: ignore[arg-type]
    labels = {"function": "ingest", "lane": "bulk"}

    def count() -> float:
        return REGISTRY.get_sample_value("museum_waited_seconds_count", labels) or 0.0

    before = count()
    for body in (
        b'{"Records": [{"eventTime": "2026-01-01T00:00:00.000Z"}]}',
        b'{"Records": []}',
        b'{"Records": [{}]}',
        b"[]",
        b"no",
    ):
        consumer._job(Message(1, {}, "application/json", body, False))
    assert count() == before + 1


def test_it_is_ready_while_it_is_connected_and_alive_always() -> None:
    """A pod whose RabbitMQ is away is not restarted for it."""

    async def asked() -> list[int]:
        connected = False
        async with TestClient(TestServer(status_application(lambda: connected))) as client:
            statuses = [(await client.get(path)).status for path in ("/healthz", "/readyz", "/metrics")]
            connected = True
            statuses.append((await client.get("/readyz")).status)
            statuses.append((await client.post("/", data=b"{}")).status)
            return statuses

    assert asyncio.run(asked()) == [200, 503, 200, 200, 404]
