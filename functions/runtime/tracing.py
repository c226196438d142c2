"""OpenTelemetry: spans by OTLP over HTTP. The only importer of opentelemetry.

Off unless an endpoint is set: then nothing of it is imported, and a W3C trace context is handed on as it came. A part that makes
spans says so once, by :func:`prepare`; they begin with its first event, since gunicorn forks after the import. What a span tells
has no key, since keys name owners, and no exception's text, which may have one.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import functools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from functions.runtime.attributes import TRACEPARENT, TRACESTATE, trace_made_of
from functions.runtime.settings import load

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span as Recorded
    from opentelemetry.trace import Tracer

log = logging.getLogger("museum.tracing")

Kind = Literal["server", "client", "producer", "consumer"]
Values = Mapping[str, str | int | bool]
T = TypeVar("T")

FLUSH = 2.0
"""Seconds that the end of a process may wait for the collector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingSettings:
    """Whether there are spans. What else the variables ``OTEL_…`` say, sampling for one, the SDK reads itself."""

    otel_exporter_otlp_endpoint: str = ""
    """The collector, as http://host:4318. Empty: no spans."""
    otel_exporter_otlp_traces_endpoint: str = ""
    """Its whole address for traces, which outranks the other."""
    otel_traces_exporter: str = "otlp"
    otel_sdk_disabled: str = "false"
    otel_service_name: str = ""

    @property
    def on(self) -> bool:
        """Whether there are any."""
        named = self.otel_exporter_otlp_endpoint or self.otel_exporter_otlp_traces_endpoint
        return bool(named) and self.otel_traces_exporter == "otlp" and self.otel_sdk_disabled.lower() != "true"


class Span:
    """One that is not recorded."""

    def carries(self) -> dict[str, str]:
        """What makes others its children, as attributes or headers; nothing where tracing is off."""
        return {}

    def tell(self, values: Values) -> None:
        """Say more of it."""

    def failed(self, kind: str) -> None:
        """It did not succeed: one word why."""


@dataclass(frozen=True, slots=True)
class _Live(Span):
    span: Recorded

    def carries(self) -> dict[str, str]:
        from opentelemetry.trace import set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, set_span_in_context(self.span))
        return carrier

    def tell(self, values: Values) -> None:
        self.span.set_attributes(values)

    def failed(self, kind: str) -> None:
        from opentelemetry.trace import StatusCode

        self.span.set_status(StatusCode.ERROR)
        self.span.set_attribute("error.type", kind)


OFF = Span()
_arrived: contextvars.ContextVar[Mapping[str, str] | None] = contextvars.ContextVar("arrived", default=None)
_seed: contextvars.ContextVar[str] = contextvars.ContextVar("seed", default="")


class Tracing:
    """Where a process' spans go."""

    def __init__(self, service: str, processor: SpanProcessor) -> None:
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_NAMESPACE, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        class Ids(RandomIdGenerator):
            """Copies of one event share the trace that begins with them."""

            def generate_trace_id(self) -> int:
                """Of the seed, where there is one."""
                seed = _seed.get()
                return int(trace_made_of(seed), 16) if seed else super().generate_trace_id()

        named = load(TracingSettings).otel_service_name or service
        resource = Resource.create({SERVICE_NAME: named, SERVICE_NAMESPACE: "museum-search"})
        self._provider = TracerProvider(resource=resource, id_generator=Ids(), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer: Tracer = self._provider.get_tracer("museum-search")

    @contextlib.contextmanager
    def span(self, name: str, kind: Kind, parent: Mapping[str, str] | None, seed: str, values: Values) -> Iterator[Span]:
        """See :func:`span`."""
        from opentelemetry.trace import SpanKind, use_span

        token = _seed.set(seed)
        try:
            made = self._tracer.start_span(
                name, _remote(parent) if parent is not None else None, SpanKind[kind.upper()], dict(values)
            )
        finally:
            _seed.reset(token)
        live = _Live(made)
        with use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield live
            except Exception as error:
                live.failed(type(error).__name__)
                raise

    def end(self) -> None:
        """Send what there is, within ``FLUSH`` seconds."""
        within(FLUSH, self._provider.shutdown)

    def flush(self) -> None:
        """The same, and go on."""
        within(FLUSH, self._provider.force_flush)


def _remote(parent: Mapping[str, str]) -> Context:
    """The context that an event or a request brought; an empty one where it brought none."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract(parent, Context())


def within(seconds: float, work: Callable[[], object]) -> None:
    """Do it, and wait no longer than so many seconds: a collector that does not answer holds nobody up."""
    thread = threading.Thread(target=work, name="tracing", daemon=True)
    thread.start()
    thread.join(seconds)


@dataclass(slots=True)
class _Process:
    """What this process does."""

    service: str = ""
    """Empty: no spans."""
    made: Tracing | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_process = _Process()


def prepare(service: str) -> None:
    """This process makes spans, if an endpoint is set; ``OTEL_SERVICE_NAME`` outranks the name. Imports, and starts nothing."""
    if not load(TracingSettings).on:
        return
    import opentelemetry.context
    import opentelemetry.exporter.otlp.proto.http.trace_exporter
    import opentelemetry.sdk.trace.export
    import opentelemetry.trace.propagation.tracecontext  # noqa: F401 - before gunicorn forks, and not with the first event

    _process.service = service


def _tracing() -> Tracing | None:
    if not _process.service or _process.made is not None:
        return _process.made
    with _process.lock:
        if _process.service and _process.made is None:
            try:
                _process.made = _started(_process.service)
            except Exception:  # a setting that the SDK does not take, say: work goes on
                log.exception("tracing cannot start: there are no spans")
                _process.service = ""
        return _process.made


def _started(service: str) -> Tracing:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    theirs = logging.getLogger("opentelemetry")  # a line for a batch that was lost, none for each attempt
    theirs.handlers, theirs.propagate = logging.getLogger("museum").handlers, False
    theirs.setLevel(logging.ERROR)
    made = Tracing(service, BatchSpanProcessor(OTLPSpanExporter()))
    atexit.register(made.end)
    return made


@contextlib.contextmanager
def span(
    name: str, kind: Kind, values: Values = {}, *, parent: Mapping[str, str] | None = None, seed: str = ""
) -> Iterator[Span]:
    """A span for the time of the block; what is raised in it marks it as failed, by its class alone.

    ``parent``: what an event or a request brought (see :func:`context_of`); without it, the span around this one. Where there is
    none, a trace begins here, whose id is made of ``seed``.
    """
    made = _tracing()
    if made is None:
        yield OFF
        return
    with made.span(name, kind, parent, seed, values) as live:
        yield live


@contextlib.contextmanager
def client(name: str, values: Values = {}) -> Iterator[Span]:
    """A request to a server, where it is part of something that is recorded."""
    made = _tracing()
    if made is None or not _recording():
        yield OFF
        return
    with made.span(name, "client", None, "", values) as live:
        yield live


def _recording() -> bool:
    from opentelemetry.trace import get_current_span

    return get_current_span().is_recording()


def carried(work: Callable[..., T]) -> Callable[..., T]:
    """The same work, for another thread, as part of the span around this call."""
    if _tracing() is None:
        return work
    from opentelemetry.context import attach, detach, get_current

    current = get_current()

    @functools.wraps(work)
    def working(*given: Any, **more: Any) -> T:
        token = attach(current)
        try:
            return work(*given, **more)
        finally:
            detach(token)

    return working


def flush(then: Callable[[], object]) -> bool:
    """Send what there is, beside what goes on, for ``FLUSH`` seconds at most, ``then`` do this in another thread.

    For a server that ends by a signal, and not by an exit of Python's. False, and nothing is done, where there are no spans.
    """
    made = _process.made
    if made is None:
        return False

    def sending() -> None:
        made.flush()
        then()

    threading.Thread(target=sending, name="tracing", daemon=True).start()
    return True


@contextlib.contextmanager
def arriving(headers: Mapping[str, str]) -> Iterator[None]:
    """What is published in the block belongs to the trace of this request, where that names one."""
    token = _arrived.set(context_of(headers))
    try:
        yield
    finally:
        _arrived.reset(token)


def arrived() -> Mapping[str, str]:
    """The trace context of the request that is answered, as it came; empty where it brought none."""
    return _arrived.get() or {}


def context_of(attributes: Mapping[str, str]) -> dict[str, str]:
    """The trace context that attributes or headers, in lower case, bring; nothing where it is none."""
    found = {"traceparent": attributes.get("traceparent", ""), "tracestate": attributes.get("tracestate", "")}
    if not TRACEPARENT.fullmatch(found["traceparent"]):
        return {}
    return found if TRACESTATE.fullmatch(found["tracestate"]) else {"traceparent": found["traceparent"]}
