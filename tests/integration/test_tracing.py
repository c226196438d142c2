"""One upload is one trace, on the real stack, and a collector has it."""

from __future__ import annotations

import signal
import time
from itertools import chain, pairwise
from pathlib import Path

import pytest

from functions.events import upload_id
from tests.fixtures.collector import Collector, Received, way_to
from tests.fixtures.stack import started, wait_for
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


def announced(spans: list[Received], kind: str, step: str) -> list[Received]:
    """The way to an announcement of what a step did. There may be others: what comes twice is worked on twice, in one trace."""
    found = [span for span in spans if span.name == "publish museum.events" and span.told["cloudevents.event_type"] == kind]
    ways = [way for way in (way_to(spans, one) for one in found) if way[-2].name == f"process museum.interactive.{step}"]
    assert ways, [span.name for span in spans]
    return ways[0]


@pytest.mark.slow
@pytest.mark.timeout(400)
def whole(collector: Collector, trace: str) -> bool:
    """Whether the announcement and each parent of a trace have come."""
    spans = [span for span in collector.spans if span.trace == trace]
    known = {span.id for span in spans} | {""}
    return all(span.parent in known for span in spans) and any(span.name == "publish museum.events" for span in spans)


def test_an_upload_is_one_trace_to_its_result(exporting: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """publish → process → function → publish …, from the bucket's event to the result's announcement; the result names the trace.

    A second upload, which can never be searched, goes by finish.
    """
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "300")  # all end at once below, and wait for nobody
    with started(tmp_path / "stack") as running:
        running.add("object-1", jpeg(1), PublicationLimit="1")
        keys = {name: f"local/{OWNER}/{name}/q.jpg" for name in ("good", "broken")}
        good = running.store.put("queries", keys["good"], jpeg(1, quality=60), content_type="image/jpeg")
        result = running.result(keys["good"], good)
        broken = running.store.put("queries", keys["broken"], b"\xff\xd8 no photo", content_type="image/jpeg")
        rejected = running.result(keys["broken"], broken)
        for one in (result["trace"], rejected["trace"]):
            wait_for("its spans", lambda one=one: whole(exporting, one) or None)
    assert (result["status"], rejected["status"]) == ("completed", "rejected")

    spans = [span for span in exporting.spans if span.trace == result["trace"]]
    assert {span.parent for span in spans} - {span.id for span in spans} == {""}, "each parent is there"
    steps = ["ingest", "preprocess", "embed", "search"]
    way = announced(spans, "io.museumsearch.search.completed.v1", "search")
    names = [(f"process museum.interactive.{step}", f"publish museum.interactive.{after}") for step, after in pairwise(steps)]
    expected = ["publish bucket.notified.v1", *chain(*names), "process museum.interactive.search", "publish museum.events"]
    assert [span.name for span in way] == expected
    assert [span.kind for span in way] == ["producer", "consumer"] * 4 + ["producer"]
    assert [span.service for span in way] == ["museum-gateway"] + ["museum-trigger"] * 8
    identity = upload_id("queries", keys["good"], good)
    for step, process in zip(steps, way[1::2], strict=True):
        assert (process.failed, process.told["museum.outcome"], process.told["museum.attempt"]) == (False, "done", 1)
        (server,) = [span for span in spans if span.parent == process.id and span.kind == "server"]
        assert (server.name, server.service) == (step, f"museum-{step}")
        assert server.told.get("museum.upload_id") == (None if step == "ingest" else identity)
    calls = {(one.service, one.name) for one in spans if one.kind == "client"}
    assert {("museum-embed", "Triton infer"), ("museum-search", "Milvus"), ("museum-search", "S3 PUT")} <= calls

    ended = [span for span in exporting.spans if span.trace == rejected["trace"]]
    names_of_end = [span.name for span in announced(ended, "io.museumsearch.image.rejected.v1", "finish")]
    assert names_of_end[-3:] == [
        "publish museum.interactive.finish",
        "process museum.interactive.finish",
        "publish museum.events",
    ]
    assert OWNER.encode() not in exporting.raw
