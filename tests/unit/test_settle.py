"""What becomes of a delivery, as a table, and what an answer of a function means."""

from __future__ import annotations

import json

import pytest

from functions.trigger.binding import CloudEvent, to_http
from functions.trigger.deliver import read
from functions.trigger.settle import (
    MAX_CRASHES,
    Crashed,
    Dead,
    Decision,
    Down,
    Failed,
    Outcome,
    Publish,
    Refused,
    Replied,
    RetryAlone,
    RetryLater,
    WaitFor,
    settle,
)

DELAYS = (1, 5, 30)
EVENT = CloudEvent(attributes={"id": "1", "source": "/s", "specversion": "1.0", "type": "t.v1"}, data=b"{}")


@pytest.mark.parametrize(
    ("outcome", "attempts", "crashes", "decision"),
    [
        (Replied(()), 0, 0, Publish(())),
        (Replied((EVENT,)), 3, 2, Publish((EVENT,))),
        (Refused("no"), 0, 0, Dead("no")),
        (Down("milvus"), 0, 0, WaitFor("milvus")),
        (Down("milvus"), 3, 2, WaitFor("milvus")),
        (Failed("why"), 0, 0, RetryLater(1, 1, "why")),
        (Failed("why"), 1, 0, RetryLater(5, 2, "why")),
        (Failed("why"), 2, 0, RetryLater(30, 3, "why")),
        (Failed("why"), 3, 0, Dead("failed 4 times, last: why")),
        (Failed("why"), 9, 0, Dead("failed 10 times, last: why")),
        (Failed("why"), 0, 2, RetryLater(1, 1, "why")),
        (Crashed("gone"), 0, 1, RetryAlone(1.0)),
        (Crashed("gone"), 3, 2, RetryAlone(3.0)),
        (Crashed("gone"), 0, MAX_CRASHES, Dead("its worker died 3 times while it worked on this: gone")),
    ],
)
def test_the_decision(outcome: Outcome, attempts: int, crashes: int, decision: Decision) -> None:
    """Failures count attempts, crashes count crashes, an outage counts nothing."""
    assert settle(outcome, attempts=attempts, crashes=crashes, delays=DELAYS) == decision


PROBLEM = json.dumps({"code": "c", "detail": "the reason"}).encode()


@pytest.mark.parametrize(
    ("status", "headers", "body", "outcome"),
    [
        (204, {}, b"", Replied(())),
        (200, to_http(EVENT), b"{}", Replied((EVENT,))),
        (200, {"Content-Type": "application/cloudevents-batch+json"}, b"[]", Replied(())),
        (422, {}, PROBLEM, Refused("the reason")),
        (422, {}, b"<html>", Refused("no reason given")),
        (422, {}, b'{"detail": "\\ud800"}', Refused("?")),
        (503, {"Museum-Unavailable": "triton"}, PROBLEM, Down("triton")),
        (503, {}, PROBLEM, Failed("f answered 503: the reason")),
        (500, {}, PROBLEM, Failed("f answered 500: the reason")),
        (404, {}, b"<h1>" + b"x" * 9999, Failed("f answered 404: no reason given")),
    ],
)
def test_the_meaning_of_an_answer(status: int, headers: dict[str, str], body: bytes, outcome: Outcome) -> None:
    """Status and headers decide; of the body only a problem's detail is ever read."""
    assert read("f", status, headers, body) == outcome


@pytest.mark.parametrize(
    ("headers", "body"),
    [({}, b"done"), ({"content-type": "application/cloudevents-batch+json"}, b"{}"), ({"ce-id": "1"}, b"")],
)
def test_200_without_an_event_is_a_failure(headers: dict[str, str], body: bytes) -> None:
    """A proxy's page must not ack a message away."""
    outcome = read("f", 200, headers, body)
    assert isinstance(outcome, Failed)
    assert "without a CloudEvent" in outcome.reason
