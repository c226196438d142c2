"""How any function answers: the HTTP contract with the trigger, which curl and Knative share."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cloudevents.conversion import to_binary
from flask import Response

from functions import pipeline, versions
from functions.contracts.samples import SAMPLES
from functions.errors import Reject, Retry, Unavailable
from functions.events import (
    EVENTS,
    BucketNotified,
    Event,
    ImagePreprocessed,
    ImageReceived,
    ImageRejected,
    QueryEmbedded,
    SearchCompleted,
)
from functions.runtime.attributes import trace_id
from functions.runtime.envelope import decode, envelope_of, typed
from functions.runtime.function import answer
from functions.trigger.binding import batch, from_http

PREPROCESS = pipeline.BY_NAME["preprocess"]
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def ask(handle: Any, event: Any = SAMPLES[ImageReceived], step: pipeline.Step = PREPROCESS) -> Response:
    """One delivery."""
    headers, body = to_binary(envelope_of(event, event_id="in-1", step="test", traceparent=TRACE))
    return answer(step, handle, headers, body if isinstance(body, bytes) else str(body).encode())


def raising(error: Exception) -> Any:
    """A handler that fails."""

    def handle(_event: Any) -> Any:
        raise error

    return handle


def test_an_event_is_answered_by_one_event_of_the_same_trace() -> None:
    """With the time that the step took, and an id that a repeat has too."""
    first = from_http(dict((response := ask(lambda _: SAMPLES[ImagePreprocessed])).headers), response.data)
    again = from_http(dict((response := ask(lambda _: SAMPLES[ImagePreprocessed])).headers), response.data)
    assert first.id == again.id
    assert first.type == ImagePreprocessed.TYPE
    assert first.attributes["traceparent"].split("-")[1] == "a" * 32
    assert first.attributes["lane"] == "interactive"
    assert "preprocess" in json.loads(first.data)["stages"]


def test_a_handler_sees_the_trace_of_the_delivery() -> None:
    """It stands in results and outcomes; a trace that the sender's data tells is none of ours."""
    seen: list[str] = []
    ask(lambda event: seen.append(event.trace))
    assert seen == ["a" * 32]


def test_the_end_of_a_query_has_one_id_whoever_announces_it() -> None:
    """search announces the result; ingest does it again when the bucket's second notification comes late."""
    told = SAMPLES[SearchCompleted]
    search = ask(lambda _: told, SAMPLES[QueryEmbedded], pipeline.BY_NAME["search"])
    ingest = ask(lambda _: told, SAMPLES[BucketNotified], pipeline.BY_NAME["ingest"])
    assert search.headers["ce-id"] == ingest.headers["ce-id"]


def test_nothing_to_say_is_204() -> None:
    """And an empty list too."""
    assert ask(lambda _: None).status_code == 204
    assert ask(lambda _: []).status_code == 204


def test_several_events_are_a_batch() -> None:
    """Structured, in order."""
    ingest = pipeline.BY_NAME["ingest"]
    response = ask(lambda _: [SAMPLES[ImageReceived], SAMPLES[ImageRejected]], SAMPLES[BucketNotified], ingest)
    assert response.content_type == "application/cloudevents-batch+json"
    assert [event.type for event in batch(response.data)] == [ImageReceived.TYPE, ImageRejected.TYPE]


def test_a_rejection_is_the_event_that_says_so() -> None:
    """The message is acked; the reason goes on."""
    response = ask(raising(Reject("truncated", "the file ends early")))
    event = from_http(dict(response.headers), response.data)
    assert event.type == ImageRejected.TYPE
    data = json.loads(event.data)
    assert (data["code"], data["step"], data["upload_id"]) == ("truncated", "preprocess", SAMPLES[ImageReceived].upload_id)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Retry("later"), 500, "retry"),
        (Unavailable("s3", "refused"), 503, "unavailable"),
        (KeyError("x"), 500, "bug"),
    ],
)
def test_an_error_is_a_problem_with_a_code(error: Exception, status: int, code: str) -> None:
    """503 alone names the dependency in a header."""
    response = ask(raising(error))
    assert (response.status_code, json.loads(response.data)["code"]) == (status, code)
    assert response.headers.get("Museum-Unavailable") == ("s3" if status == 503 else None)


def test_what_cannot_be_read_is_422() -> None:
    """It would fail for ever."""
    response = answer(PREPROCESS, lambda _: None, {"content-type": "application/json"}, b"{}")
    assert response.status_code == 422
    headers, _ = to_binary(envelope_of(SAMPLES[ImageReceived], event_id="in-1", step="test", traceparent=TRACE))
    for body in (b"{", b"[]", b"[" * 100_000):
        assert answer(PREPROCESS, lambda _: None, headers, body).status_code == 422


def test_an_event_that_the_map_does_not_allow_is_a_bug() -> None:
    """A function cannot invent a way."""
    assert ask(lambda _: SAMPLES[BucketNotified]).status_code == 500


def test_copies_of_one_notification_give_one_id_and_a_later_upload_of_the_same_bytes_another() -> None:
    """The trigger publishes one id once: copies are to be dropped, a photo that comes back is not."""
    from dataclasses import replace

    from functions.runtime.envelope import Incoming
    from functions.runtime.function import reply_id

    def identity(notification: str, sequencer: str) -> str:
        incoming = Incoming(
            id=notification, type=BucketNotified.TYPE, lane="bulk", traceparent=TRACE, event=SAMPLES[BucketNotified]
        )
        return reply_id(incoming, replace(SAMPLES[ImageReceived], cause=sequencer))

    assert identity("fast", "1") == identity("spooled", "1") != identity("again", "2")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.TYPE))
def test_an_event_that_changed_is_read_in_two_versions_and_written_in_the_one_that_is_told(
    event: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever changes next: here the version before had the same data one level deeper."""
    before = event.TYPE.replace(".v1", ".v0")
    change = versions.Change(upgrade=lambda data: data["was"], downgrade=lambda data: {"was": data})
    monkeypatch.setitem(versions.CHANGES, event.TYPE, change)  # type: ignore[arg-type]
    written = {
        previous: envelope_of(SAMPLES[event], event_id="1", step="test", traceparent=TRACE, previous=previous)
        for previous in (True, False)
    }
    assert [written[previous]["type"] for previous in (True, False)] == [before, event.TYPE]
    assert written[True].data == {"was": written[False].data}
    assert written[True]["dataschema"].endswith(".v0")
    for envelope in written.values():
        headers, body = to_binary(envelope)
        incoming = decode(headers, body, consumes=(event.TYPE,))
        sample = SAMPLES[event]
        expected = replace(sample, trace=trace_id(TRACE)) if isinstance(sample, Event) else sample
        assert (incoming.type, incoming.event) == (envelope["type"], expected)
    with pytest.raises(Unavailable):
        typed(event.TYPE.replace(".v1", ".v2"), b"{}", consumes=(event.TYPE,))
