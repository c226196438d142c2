"""Spans, and the trace context that goes on with them or without."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from cloudevents.conversion import to_binary
from flask import Response
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from functions import pipeline
from functions.adapters.outbox import Outbox
from functions.contracts.samples import SAMPLES
from functions.errors import Reject, Retry, Unavailable
from functions.events import BucketNotified, DeliveryDead, ImagePreprocessed, ImageReceived, to_data
from functions.runtime import tracing
from functions.runtime.attributes import trace_made_of
from functions.runtime.envelope import envelope_of
from functions.runtime.function import answer
from functions.runtime.tracing import Tracing, TracingSettings
from functions.trigger import consumer as c
from functions.trigger import settle as s
from functions.trigger.binding import CloudEvent, batch, from_amqp, from_http, to_amqp
from functions.trigger.broker import Message
from functions.trigger.consumer import Consumer
from functions.trigger.main import TriggerSettings, work_of
from functions.trigger.publisher import Publisher
from tests.outbox import FakeTrigger

TRACE, STATE = "a" * 32, "vendor=1,other=2"
CAME = {"traceparent": f"00-{TRACE}-{'b' * 16}-01", "tracestate": STATE}
PREPROCESS = pipeline.BY_NAME["preprocess"]
OWNER = "ivan-the-owner"


@dataclass
class Spans:
    """What was recorded."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def __call__(self) -> dict[str, ReadableSpan]:
        """The spans that have ended, by name; two of a name are a failure."""
        found = self.exporter.get_finished_spans()
        assert len({span.name for span in found}) == len(found)
        return {span.name: span for span in found}

    def text(self) -> str:
        """Everything that would leave the process."""
        return "".join(span.to_json() for span in self.exporter.get_finished_spans())


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """Recorded in this process."""
    kept = Spans()
    monkeypatch.setattr(tracing, "_process", tracing._Process("test", Tracing("test", SimpleSpanProcessor(kept.exporter))))
    return kept


def identity(span: ReadableSpan) -> tuple[str, str]:
    """(trace, span) in hex."""
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def parent(span: ReadableSpan) -> str:
    """The parent's id in hex; empty for a root."""
    return f"{span.parent.span_id:016x}" if span.parent else ""


def told(span: ReadableSpan) -> Mapping[str, Any]:
    """What a span tells."""
    return span.attributes or {}


def ask(handle: Any, event: Any = SAMPLES[ImageReceived], *, headers: Mapping[str, str] = {}, **context: str) -> Response:
    """One delivery to a function."""
    sent = envelope_of(event, event_id="in-1", step="test", traceparent=CAME["traceparent"])
    for name in ("traceparent", "tracestate"):
        if name in context:
            sent[name] = context[name]
        elif name in sent.get_attributes():
            del sent[name]
    given, body = to_binary(sent)
    return answer(PREPROCESS, handle, {**given, **headers}, body if isinstance(body, bytes) else str(body).encode())


def reply(response: Response) -> CloudEvent:
    """The event of an answer."""
    return from_http(dict(response.headers), response.data)


def preprocessed(_event: Any) -> ImagePreprocessed:
    """A handler that succeeds."""
    made: ImagePreprocessed = SAMPLES[ImagePreprocessed]
    return made


# off


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    """In functions with their adapters, in the trigger, the gateway and the sweep: start and memory stay what they were."""
    script = """
import sys
from functions.runtime.function import function
import functions.search.main, functions.embed.main, functions.trigger.main, functions.gateway.app, functions.cli.reconcile
from functions.runtime import tracing
tracing.prepare("museum-test")
with tracing.span("a", "server", parent={}) as span, tracing.client("b"):
    assert span.carries() == {}
assert tracing.carried(len) is len
assert not tracing.flush(then=lambda: None)
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], check=False, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"otel_exporter_otlp_endpoint": "http://c:4318"}, True),
        ({"otel_exporter_otlp_traces_endpoint": "http://c:4318/v1/traces"}, True),
        ({"otel_exporter_otlp_endpoint": "http://c:4318", "otel_sdk_disabled": "True"}, False),
        ({"otel_exporter_otlp_endpoint": "http://c:4318", "otel_traces_exporter": "none"}, False),
    ],
)
def test_the_standard_variables_turn_it_on(variables: dict[str, str], on: bool) -> None:
    """And off."""
    assert TracingSettings(**variables).on is on


@pytest.mark.parametrize("carrier", ["event", "request"])
def test_without_spans_a_context_goes_on_as_it_came(carrier: str) -> None:
    """Also its state and that it is not sampled: who does not take part changes nothing."""
    came = {"traceparent": CAME["traceparent"][:-2] + "00", "tracestate": STATE}
    answered = reply(
        ask(preprocessed, **came)
        if carrier == "event"
        else ask(preprocessed, headers={"Traceparent": came["traceparent"], "Tracestate": STATE})
    )
    assert came.items() <= answered.attributes.items()


def test_a_proxy_that_begins_traces_does_not_end_the_events() -> None:
    """The request's context counts where it is of the event's trace."""
    hop = {"traceparent": f"00-{'c' * 32}-{'d' * 16}-01"}
    assert reply(ask(preprocessed, headers=hop, **CAME)).attributes["traceparent"] == CAME["traceparent"]
    own = {"traceparent": f"00-{TRACE}-{'d' * 16}-01"}
    assert reply(ask(preprocessed, headers=own, **CAME)).attributes["traceparent"] == own["traceparent"]


@pytest.mark.parametrize(
    "broken",
    ["", "00-1-2-01", CAME["traceparent"] + "\n", f"00-{'0' * 32}-{'b' * 16}-01", f"00-{TRACE}-{'0' * 16}-01", "\u0451"],
    ids=["nothing", "short", "a line break", "no trace", "no span", "Cyrillic"],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_what_is_no_context_counts_as_none(request: pytest.FixtureRequest, broken: str, recorded: bool) -> None:
    """A trace begins, and the state that came with it is none."""
    if recorded:
        request.getfixturevalue("spans")
    envelope = {
        "specversion": "1.0", "id": "in-1", "source": "/curl", "type": ImageReceived.TYPE,
        "data": to_data(SAMPLES[ImageReceived]), "traceparent": broken, "tracestate": STATE,
    }  # fmt: skip
    headers = {"Content-Type": "application/cloudevents+json"}
    sent = reply(answer(PREPROCESS, preprocessed, headers, json.dumps(envelope).encode())).attributes
    assert sent["traceparent"][3:35] == trace_made_of("in-1")
    assert "tracestate" not in sent


@pytest.mark.parametrize("state", ["a=\u0451", "a=1\nb: 2", "a" * 513], ids=["Cyrillic", "a line break", "too long"])
def test_a_state_that_no_header_can_hold_is_left_out(state: str) -> None:
    """The trace goes on."""
    assert tracing.context_of({**CAME, "tracestate": state}) == {"traceparent": CAME["traceparent"]}
    assert tracing.context_of(CAME) == CAME


# the identity of events


def test_an_events_id_and_data_do_not_depend_on_its_trace(spans: Spans) -> None:
    """What is deduplicated, and what is stored, is the same in any trace; with spans and without."""
    first, other = reply(ask(preprocessed, **CAME)), reply(ask(preprocessed))
    assert spans.exporter.get_finished_spans()
    tracing._process.made = None
    tracing._process.service = ""
    without = reply(ask(preprocessed, **CAME))
    assert first.id == other.id == without.id
    data = [{**json.loads(one.data), "stages": {}, "trace": ""} for one in (first, other, without)]
    assert data[0] == data[1] == data[2]
    assert [set(one.attributes) - {"tracestate"} for one in (first, other)] == [set(without.attributes) - {"tracestate"}] * 2


# a function


def test_a_functions_span_is_a_child_of_what_came_and_the_parent_of_what_goes(spans: Spans) -> None:
    """With the upload's id and no key."""
    event = replace(SAMPLES[ImageReceived], key=f"m/{OWNER}/1/a.jpg", owner=OWNER)
    sent = reply(ask(preprocessed, event, **CAME))
    span = spans()["preprocess"]
    trace, own = identity(span)
    assert (trace, parent(span), span.kind) == (TRACE, "b" * 16, SpanKind.SERVER)
    assert sent.attributes["traceparent"] == f"00-{trace}-{own}-01"
    assert sent.attributes["tracestate"] == STATE
    assert told(span)["museum.upload_id"] == event.upload_id
    assert told(span)["http.response.status_code"] == 200
    assert OWNER not in spans.text()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Retry(f"S3 refuses {OWNER}"), StatusCode.ERROR),
        (Unavailable("s3", f"no {OWNER}"), StatusCode.ERROR),
        (KeyError(OWNER), StatusCode.ERROR),
        (Reject("broken", f"the photo of {OWNER}"), StatusCode.UNSET),
    ],
    ids=lambda given: type(given).__name__,
)
def test_a_failure_is_told_by_its_class_alone(spans: Spans, error: Exception, status: StatusCode) -> None:
    """Its text may name an owner. A photo that can never be searched is no failure of the function."""

    def handle(_event: Any) -> Any:
        raise error

    ask(handle, **CAME)
    span = spans()["preprocess"]
    assert span.status.status_code is status
    assert told(span).get("error.type") == (type(error).__name__ if status is StatusCode.ERROR else None)
    assert OWNER not in spans.text()


def test_an_event_without_a_trace_begins_one_that_its_copies_share(spans: Spans) -> None:
    """Its id is made of the event's; the result tells the same."""
    seen: list[str] = []
    for _ in range(2):
        ask(lambda event: seen.append(event.trace))
    found = spans.exporter.get_finished_spans()
    assert [identity(span)[0] for span in found] == seen == [trace_made_of("in-1")] * 2
    assert [parent(span) for span in found] == ["", ""]


def test_a_trace_that_is_not_sampled_stays_so(spans: Spans) -> None:
    """The decision travels with it."""
    sent = reply(ask(preprocessed, traceparent=CAME["traceparent"][:-2] + "00"))
    assert sent.attributes["traceparent"].startswith(f"00-{TRACE}-")
    assert sent.attributes["traceparent"].endswith("-00")
    assert not spans.exporter.get_finished_spans()


@pytest.mark.parametrize(("ratio", "sampled"), [("0", 0), ("1", 200), ("0.25", 50)])
def test_a_share_of_the_uploads_is_sampled(monkeypatch: pytest.MonkeyPatch, ratio: str, sampled: int) -> None:
    """By the standard variables, also where a trace's id is made of an event's: it is as even as a random one."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
    kept = InMemorySpanExporter()
    made = Tracing("test", SimpleSpanProcessor(kept))
    for number in range(200):
        with made.span("a", "producer", None, f"event-{number}", {}):
            pass
    assert len(kept.get_finished_spans()) == pytest.approx(sampled, abs=20 if 0 < sampled < 200 else 0)


def test_a_request_to_a_server_is_told_within_a_delivery_alone(spans: Spans) -> None:
    """Also from another thread of it."""
    with tracing.client("S3 GET"):
        pass
    assert not spans.exporter.get_finished_spans()

    def look() -> None:
        with tracing.client("S3 GET", {"aws.s3.bucket": "derived"}):
            pass

    with tracing.span("search", "server", parent={}, seed="1"):
        tracing.within(5, tracing.carried(look))
        tracing.within(5, look)  # nobody said that it belongs here
    assert parent(spans()["S3 GET"]) == identity(spans()["search"])[1]


# the trigger


@dataclass
class Broker:
    """Confirms everything."""

    sent: list[tuple[str, str, CloudEvent, Mapping[str, Any]]] = field(default_factory=list)

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, *, headers: Mapping[str, Any], content_type: str, mandatory: bool
    ) -> None:
        """Remember what came."""
        event = from_amqp(headers, content_type, body)
        assert event is not None
        self.sent.append((exchange, routing_key, event, headers))


class Queue:
    """Takes every answer."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_: None


@dataclass
class Bench:
    """A consumer of one step whose function answers as a test says."""

    step: str
    outcome: s.Outcome
    broker: Broker = field(default_factory=Broker)
    contexts: list[Mapping[str, str]] = field(default_factory=list)
    """The trace contexts of the requests to the function."""
    events: list[CloudEvent] = field(default_factory=list)

    def deliver(self, monkeypatch: pytest.MonkeyPatch, message: Message) -> None:
        """Handle one message."""

        async def delivering(
            _http: aiohttp.ClientSession,
            _url: str,
            event: CloudEvent,
            *,
            name: str,
            timeout: float,
            context: Mapping[str, str] = {},
        ) -> s.Outcome:
            self.contexts.append(context)
            self.events.append(event)
            return self.outcome

        monkeypatch.setattr(c, "deliver", delivering)

        async def scenario() -> None:
            settings = TriggerSettings(museum_amqp_url="", museum_lane="interactive", museum_functions="")
            work = work_of(pipeline.BY_NAME[self.step], "http://x", settings)
            publisher = Publisher(self.broker, "museum.events", "io.museumsearch.")
            consumer = Consumer(work, None, None, publisher)  # type: ignore[arg-type]  # neither is asked
            consumer._subscription = Queue()  # type: ignore[assignment]
            await consumer._handle(message)

        asyncio.run(scenario())


def event_of(kind: str, identity: str, **more: str) -> CloudEvent:
    """One event."""
    common = {"specversion": "1.0", "id": identity, "source": "/t", "type": kind, "lane": "interactive"}
    return CloudEvent(attributes={**common, "subject": f"m/{OWNER}/1/a.jpg", "owner": OWNER, **more}, data=b"{}")


def message(event: CloudEvent, *, redelivered: bool = False, **headers: Any) -> Message:
    """As RabbitMQ delivers it."""
    return Message(
        tag=1, headers={**to_amqp(event), **headers}, content_type="application/json", body=event.data, redelivered=redelivered
    )


def test_a_delivery_is_processed_between_two_publishings(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """consumer, then producer; the function's request is a child of the first, and what goes on is a child of the second."""
    answered = event_of(ImagePreprocessed.TYPE, "out-1", traceparent=f"00-{TRACE}-{'e' * 16}-01")
    bench = Bench("preprocess", s.Replied((answered,)))
    bench.deliver(monkeypatch, message(event_of(ImageReceived.TYPE, "in-1", **CAME), redelivered=True, **{c.ATTEMPTS: 1}))
    process, publish = spans()["process museum.interactive.preprocess"], spans()["publish museum.interactive.embed"]
    assert (identity(process)[0], parent(process), process.kind) == (TRACE, "b" * 16, SpanKind.CONSUMER)
    assert (parent(publish), publish.kind) == (identity(process)[1], SpanKind.PRODUCER)
    assert bench.contexts == [{"traceparent": f"00-{TRACE}-{identity(process)[1]}-01", "tracestate": STATE}]
    assert bench.events[0].attributes["traceparent"] == CAME["traceparent"], "the event's own is not touched"
    expected = {
        "messaging.system": "rabbitmq", "messaging.operation.name": "process", "messaging.operation.type": "process",
        "messaging.destination.name": "museum.interactive.preprocess", "messaging.message.id": "in-1",
        "museum.lane": "interactive", "museum.attempt": 2, "museum.redelivered": True, "museum.outcome": "done",
    }  # fmt: skip
    assert expected.items() <= told(process).items()
    for _exchange, _key, event, _headers in bench.broker.sent:
        assert event.attributes["traceparent"] == f"00-{TRACE}-{identity(publish)[1]}-01"
        assert event.attributes["tracestate"] == STATE
        assert event.id == "out-1"
    assert [exchange for exchange, *_ in bench.broker.sent] == ["", "museum.events"]
    assert OWNER not in spans.text()


def test_each_attempt_is_a_child_of_the_publishing(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is retried keeps the context that it came with."""
    bench = Bench("preprocess", s.Failed(f"not {OWNER}"))
    bench.deliver(monkeypatch, message(event_of(ImageReceived.TYPE, "in-1", **CAME)))
    ((_, queue, event, headers),) = bench.broker.sent
    assert queue == "museum.interactive.preprocess.retry.1"
    assert CAME.items() <= event.attributes.items()
    bench.deliver(monkeypatch, message(event, **{c.ATTEMPTS: headers[c.ATTEMPTS]}))
    found = spans.exporter.get_finished_spans()
    assert [(identity(one)[0], parent(one), told(one)["museum.attempt"]) for one in found] == [
        (TRACE, "b" * 16, 1),
        (TRACE, "b" * 16, 2),
    ]
    assert [one.status.status_code for one in found] == [StatusCode.ERROR] * 2
    assert told(found[0])["museum.outcome"] == "retry in 1 s"
    assert OWNER not in spans.text()


def test_what_is_buried_is_told_to_finish_in_the_same_trace(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead copy is as it came."""
    bench = Bench("preprocess", s.Refused(f"never {OWNER}"))
    bench.deliver(monkeypatch, message(event_of(ImageReceived.TYPE, "in-1", **CAME)))
    (_, _, dead, _), (_, queue, death, _) = bench.broker.sent
    publish = spans()["publish museum.interactive.finish"]
    assert CAME.items() <= dead.attributes.items()
    assert (queue, death.type) == ("museum.interactive.finish", DeliveryDead.TYPE)
    assert death.attributes["traceparent"] == f"00-{TRACE}-{identity(publish)[1]}-01"
    assert spans()["process museum.interactive.preprocess"].status.status_code is StatusCode.ERROR
    assert OWNER not in spans.text()


@pytest.mark.parametrize("given", [{}, CAME], ids=["without", "with a context in its headers"])
def test_a_buckets_message_begins_a_trace_or_goes_on_with_one(
    spans: Spans, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    """It is no CloudEvent. One upload of several photos is several events of one trace; a retry stays in it."""
    body = b'{"Records": []}'
    replies = [event_of(ImageReceived.TYPE, f"out-{number}") for number in (1, 2)]
    bench = Bench("ingest", s.Replied(tuple(replies)))
    bench.deliver(monkeypatch, Message(tag=1, headers=given, content_type="application/json", body=body, redelivered=False))
    process, *published = sorted(spans.exporter.get_finished_spans(), key=lambda span: span.name)
    trace, own = identity(process)
    assert process.name == "process museum.interactive.ingest"
    assert (trace, parent(process)) == ((TRACE, "b" * 16) if given else (trace_made_of(bench.events[0].id), ""))
    assert [(identity(one)[0], parent(one)) for one in published] == [(trace, own)] * 2
    failed = Bench("ingest", s.Failed("x"))
    failed.deliver(monkeypatch, Message(tag=1, headers=given, content_type="application/json", body=body, redelivered=False))
    ((_, _, again, _),) = failed.broker.sent
    assert again.attributes["traceparent"][3:35] == trace
    assert again.type == BucketNotified.TYPE


def test_without_spans_a_delivery_changes_no_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the request's nor the reply's."""
    answered = event_of(ImagePreprocessed.TYPE, "out-1", **CAME)
    bench = Bench("preprocess", s.Replied((answered,)))
    bench.deliver(monkeypatch, message(event_of(ImageReceived.TYPE, "in-1", **CAME)))
    assert bench.contexts == [{}]
    assert all(CAME.items() <= event.attributes.items() for _, _, event, _ in bench.broker.sent)


# the outbox


@pytest.fixture
def trigger() -> Iterator[FakeTrigger]:
    """Listening."""
    with FakeTrigger.listening() as server:
        yield server


def test_what_starts_outside_the_broker_begins_a_trace(spans: Spans, trigger: FakeTrigger) -> None:
    """Its first span is the publishing."""
    Outbox(trigger.url).publish(BucketNotified.TYPE, "n-1", {}, lane="bulk", known={"owner": OWNER})
    span = spans()["publish bucket.notified.v1"]
    assert (identity(span)[0], parent(span), span.kind) == (trace_made_of("n-1"), "", SpanKind.PRODUCER)
    assert trigger.got[0].attributes["traceparent"] == "00-{}-{}-03".format(*identity(span))
    assert OWNER not in spans.text()


@pytest.mark.parametrize("recorded", [True, False])
def test_a_store_that_has_a_trace_has_its_upload_in_it(
    request: pytest.FixtureRequest, trigger: FakeTrigger, recorded: bool
) -> None:
    """The webhook's own context goes on."""
    kept = request.getfixturevalue("spans") if recorded else None
    with tracing.arriving({**CAME, "authorization": "x"}):
        Outbox(trigger.url).publish(BucketNotified.TYPE, "n-1", {}, lane="bulk")
    sent = trigger.got[0].attributes
    assert sent["tracestate"] == STATE
    if kept is None:
        assert sent["traceparent"] == CAME["traceparent"]
    else:
        span = kept()["publish bucket.notified.v1"]
        assert (identity(span)[0], parent(span)) == (TRACE, "b" * 16)
        assert sent["traceparent"][36:52] == identity(span)[1]
    assert tracing.arrived() == {}


# a collector that is away


@pytest.mark.parametrize("listens", [False, True], ids=["nobody there", "never answers"])
def test_a_collector_that_is_away_holds_nobody_up(listens: bool) -> None:
    """5,000 deliveries are as fast as ever, what does not fit into the queue is dropped, and the process ends within seconds."""
    script = """
import time
from functions.runtime import tracing
tracing.prepare("museum-test")
with tracing.span("warm", "server", parent={}):
    pass
slowest, began = 0.0, time.monotonic()
for number in range(5000):
    started = time.monotonic()
    with tracing.span("a", "server", {"b": number}, parent={}) as span:
        assert span.carries()
    slowest = max(slowest, time.monotonic() - started)
print(time.monotonic() - began, slowest, flush=True)
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not listens:
            server.close()
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        whole, slowest = (float(word) for word in process.stdout.readline().split())
        ends = time.monotonic()
        assert process.wait(30) == 0, process.stderr.read()
        assert time.monotonic() - ends < tracing.FLUSH + 3
        assert whole < 10
        assert slowest < 5
        process.stdout.close()
        process.stderr.close()


def test_a_setting_that_the_sdk_does_not_take_ends_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged once; there are no spans."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    monkeypatch.setattr(tracing, "_process", tracing._Process())
    tracing.prepare("museum-test")
    assert reply(ask(preprocessed, **CAME)).attributes["traceparent"] == CAME["traceparent"]
    assert tracing._process.service == ""


def test_a_batch_has_one_trace(spans: Spans) -> None:
    """Each event of it."""
    ingest = pipeline.BY_NAME["ingest"]
    sent, body = to_binary(envelope_of(SAMPLES[BucketNotified], event_id="n", step="t", **CAME))
    received = SAMPLES[ImageReceived]
    made = [received, replace(received, upload_id="another")]
    response = answer(ingest, lambda _: made, sent, body if isinstance(body, bytes) else str(body).encode())
    expected = "00-{}-{}-01".format(*identity(spans()["ingest"]))
    assert [event.attributes["traceparent"] for event in batch(response.data)] == [expected] * 2
