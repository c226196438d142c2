"""CloudEvents in and out of an HTTP request: decoded and validated once, here, at the edge.

The envelope is built by the SDK's ``from_http``/``to_binary``; broken JSON is found here, since the framework hands raw
bytes on with a 200.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent, from_http

from functions import events, versions
from functions.decoding import converted
from functions.errors import Unavailable
from functions.runtime.attributes import attributes_of, trace_id, trace_of
from functions.runtime.tracing import context_of


class Undecodable(Exception):
    """A delivery that no version of this function can ever read: answered with 422."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A decoded delivery: the envelope's facts and the typed event."""

    id: str
    type: str
    lane: events.Lane
    traceparent: str
    event: Any
    tracestate: str = ""
    parent: Mapping[str, str] = field(default_factory=dict)
    """The trace context as it came; empty where none did."""

    def within(self, context: Mapping[str, str]) -> Incoming:
        """The same, for replies as part of a span; as it is where there is none."""
        return replace(self, traceparent=context["traceparent"], tracestate=context.get("tracestate", "")) if context else self


def decode(headers: Mapping[str, str], body: bytes, *, consumes: tuple[str, ...]) -> Incoming:
    """Read one CloudEvent, binary or structured.

    Raises ``Undecodable`` for what can never be read, and ``Unavailable`` for a version newer than this release knows:
    the message waits for the release that reads it.
    """
    try:
        envelope = from_http(dict(headers), body, data_unmarshaller=lambda raw: raw)
    except (GenericException, ValueError, UnicodeDecodeError) as error:
        raise Undecodable("not-a-cloudevent", f"expected a CloudEvent 1.0 in binary or structured mode: {error}") from None
    attributes = envelope.get_attributes()
    kind = str(attributes["type"])
    parent = parent_of(headers, attributes)
    traceparent = trace_of(parent.get("traceparent"), str(attributes["id"]))
    event = typed(kind, envelope.get_data(), consumes=consumes)
    return Incoming(
        id=str(attributes["id"]),
        type=kind,
        lane="bulk" if attributes.get("lane") == "bulk" else "interactive",
        traceparent=traceparent,
        event=replace(event, trace=trace_id(traceparent)) if isinstance(event, events.Event) else event,
        tracestate=parent.get("tracestate", ""),
        parent=parent,
    )


def parent_of(headers: Mapping[str, str], attributes: Mapping[str, Any]) -> dict[str, str]:
    """The event's trace context; the request's own where it is of the same trace, as the trigger's is, or the event has none.

    A proxy on the way may begin a trace with each request.
    """
    own = context_of({name: str(value) for name, value in attributes.items()})
    hop = context_of({name.lower(): value for name, value in headers.items()})
    return hop if hop and (not own or trace_id(hop["traceparent"]) == trace_id(own["traceparent"])) else own


def typed(kind: str, data: Any, *, consumes: tuple[str, ...]) -> Any:
    """The dataclass of an event type, of this version or the one before.

    Raises ``Undecodable`` (unknown type, too old, broken JSON, missing or wrong fields) and ``Unavailable`` (too new).
    """
    current = versions.current_of(kind)
    if current is None or current not in consumes:
        raise Undecodable("unknown-type", f"this function reads {', '.join(consumes)}; the event is a {kind}")
    if versions.number(kind) > versions.number(current):
        raise Unavailable("a newer release", f"the event is a {kind} and this release reads up to {current}")
    try:
        raw = json.loads(data) if isinstance(data, bytes | bytearray | str) else data
    except (ValueError, RecursionError) as error:
        raise Undecodable("broken-json", f"the data of this {kind} is not JSON: {error}") from None
    try:
        return converted(versions.upgrade(kind, raw), events.BY_TYPE[current])
    except versions.TooOld as error:
        raise Undecodable("too-old", str(error)) from None
    except msgspec.ValidationError as error:
        raise Undecodable("wrong-data", f"the data of this {kind} does not fit its contract: {error}") from None


def envelope_of(
    event: Any, *, event_id: str, step: str, traceparent: str, tracestate: str = "", previous: bool = False
) -> CloudEvent:
    """Wrap an event for the wire. ``previous`` writes the version before, while a release rolls out."""
    kind, data = versions.downgrade(event.TYPE, events.to_data(event)) if previous else (event.TYPE, events.to_data(event))
    subject = events.subject_of(getattr(event, "key", ""))
    attributes = {
        **attributes_of(kind, event_id, source=f"/museum-search/{step}", traceparent=traceparent, subject=subject),
        "datacontenttype": "application/json",
        **({"tracestate": tracestate} if tracestate else {}),
    }
    for name in ("museum", "owner", "lane", "purpose"):
        if value := getattr(event, name, ""):
            attributes[name] = events.subject_of(value)
    return CloudEvent(attributes, data)
