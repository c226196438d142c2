"""One upload is one trace, on the real stack, and a collector has it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from functions.events import upload_id
from tests.fixtures.collector import Collector, Received
from tests.fixtures.stack import started
from tests.integration.test_function_process import TRACE, ask, serving
from tests.integration.trigger_world import received
from tests.pictures import jpeg

OWNER = "ivan-the-owner"
NEVER = "600000"
"""Milliseconds between exports: what a collector has, it got as a process ended."""


@pytest.fixture
def exporting(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Collector:
    """All processes that are started send their spans when they end."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", NEVER)
    return collector


def test_a_function_that_is_told_to_end_sends_its_spans(exporting: Collector, tmp_path: Path) -> None:
    """It began them after the fork: the worker has them, and its own end is what sends them."""
    with serving(tmp_path) as function:
        status, headers, _ = ask(function, received(f"m/{OWNER}/a.jpg"))
        assert function.process is not None
        function.process.send_signal(signal.SIGTERM)
        assert function.process.wait(20) == 0
    (span,) = exporting.spans
    assert (status, span.service, span.kind) == (200, "museum-preprocess", "server")
    assert headers["ce-traceparent"] == f"00-{span.trace}-{span.id}-01"
    assert (span.trace, span.parent) == (TRACE[3:35], TRACE[36:52])
    assert OWNER.encode() not in exporting.raw


def test_a_function_whose_collector_is_away_ends_in_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And answers as fast."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with serving(tmp_path) as function:
        ask(function, received("warm"))
        began = time.monotonic()
        assert [ask(function, received("a.jpg"))[0] for _ in range(20)] == [200] * 20
        assert time.monotonic() - began < 5
        assert function.process is not None
        function.process.send_signal(signal.SIGTERM)
        assert function.process.wait(10) == 0


def children(spans: list[Received], of: Received) -> list[Received]:
    """The spans that are made within one."""
    return [span for span in spans if span.parent == of.id]


def only(spans: list[Received], name: str) -> Received:
    """The one of this name."""
    found = [span for span in spans if span.name == name]
    assert len(found) == 1, [span.name for span in spans]
    return found[0]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_upload_is_one_trace_to_its_result(exporting: Collector, tmp_path: Path) -> None:
    """publish → process → function → publish …, from the bucket's event to the result's announcement; the result names the trace.

    A second upload, which can never be searched, goes by finish.
    """
    with started(tmp_path / "stack") as running:
        running.add("object-1", jpeg(1), PublicationLimit="1")
        keys = {name: f"local/{OWNER}/{name}/q.jpg" for name in ("good", "broken")}
        good = running.store.put("queries", keys["good"], jpeg(1, quality=60), content_type="image/jpeg")
        result = running.result(keys["good"], good)
        broken = running.store.put("queries", keys["broken"], b"\xff\xd8 no photo", content_type="image/jpeg")
        rejected = running.result(keys["broken"], broken)
    assert (result["status"], rejected["status"]) == ("completed", "rejected")

    spans = [span for span in exporting.spans if span.trace == result["trace"]]
    work = [span for span in spans if span.kind != "client"]
    (span,) = [one for one in work if not one.parent]
    assert (span.name, span.service) == ("publish bucket.notified.v1", "museum-gateway")
    identity = upload_id("queries", keys["good"], good)
    for step in ("ingest", "preprocess", "embed", "search"):
        process = only(children(work, span), f"process museum.interactive.{step}")
        assert (process.kind, process.service, process.failed) == ("consumer", "museum-trigger", False)
        assert process.told["museum.outcome"] == "done"
        server = only(children(work, process), step)
        assert (server.kind, server.service) == ("server", f"museum-{step}")
        assert server.told.get("museum.upload_id") == (None if step == "ingest" else identity)
        (span,) = [one for one in children(work, process) if one.kind == "producer"]
    assert span.name == "publish museum.events"
    assert span.told["cloudevents.event_type"] == "io.museumsearch.search.completed.v1"
    assert len(work) == 1 + 3 * 4, "and nothing else"
    calls = {(one.service, one.name) for one in spans if one.kind == "client"}
    assert {("museum-embed", "Triton infer"), ("museum-search", "Milvus"), ("museum-search", "S3 PUT")} <= calls
    assert all(one.parent in {other.id for other in spans} for one in spans if one.kind == "client")

    ended = [span for span in exporting.spans if span.trace == rejected["trace"] and span.kind != "client"]
    finish = only(ended, "process museum.interactive.finish")
    assert finish.parent == only(ended, "publish museum.interactive.finish").id
    told = only(children(ended, finish), "publish museum.events")
    assert told.told["cloudevents.event_type"] == "io.museumsearch.image.rejected.v1"
    assert only(children(ended, finish), "finish").service == "museum-finish"
    assert OWNER.encode() not in exporting.raw
