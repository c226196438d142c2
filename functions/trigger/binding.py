"""CloudEvents over AMQP 0-9-1 and HTTP, by the published bindings. No I/O.

AMQP: the RabbitMQ Protocol Binding of knative eventing-rabbitmq. Binary mode has headers ``ce-<attribute>`` and the data as
body; structured mode is ``application/cloudevents+json``. Prefixed headers are written; ``cloudEvents:`` and unprefixed ones
are read too.
"""

from __future__ import annotations

import base64
import json
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from functions.events import notification_id, topic
from functions.runtime.attributes import attributes_of, trace_of
from functions.runtime.tracing import context_of

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
NOT_ATTRIBUTES = ("data", "data_base64", "datacontenttype")
PRINTABLE = string.punctuation + " "
"""With letters and digits, what an HTTP header's value may hold."""
REQUIRED = ("id", "source", "specversion", "type")
NAME = re.compile(r"[a-z0-9]{1,64}")
"""An attribute's name. AMQP holds 255 bytes with the prefix."""
MAX_ATTRIBUTES, MAX_VALUE, MAX_CONTEXT = 64, 4096, 64_000
"""How many, the length of one and of all, escaped as in a header. The longest subject of ours has 3,072. gunicorn takes 100
headers of 8 KB; AMQP's must fit into one frame of 128 KB, else RabbitMQ ends the connection, with each delivery again."""
SHORT = {"type": 255}
"""What is also a routing key."""
MAX_CONTENT_TYPE = 255
SUMMARY_LIMIT = 1000
"""Bytes of an observer's copy; people were promised 1 KB."""


class NotACloudEvent(ValueError):
    """Something that claims to be a CloudEvent and lacks what one must have, or has what cannot travel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """One event on its way: attributes as text, data untouched."""

    attributes: Mapping[str, str]
    data: bytes
    content_type: str = "application/json"

    @property
    def id(self) -> str:
        """The id."""
        return self.attributes["id"]

    @property
    def type(self) -> str:
        """The type."""
        return self.attributes["type"]


def topic_of(event: CloudEvent) -> str:
    """What all announcements of one subject share: the last word of their routing key."""
    return topic(event.attributes.get("subject", "-"))


def read_json(body: bytes) -> Any:
    """Parse JSON. Raises ``ValueError`` also for what is nested too deeply for the parser."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def write_json(value: Any) -> bytes:
    """Compact UTF-8; half a surrogate pair, which JSON allows and UTF-8 does not, stays an escape."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def text_of(value: Any) -> str:
    """An attribute in its canonical text form, which UTF-8 can hold."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value).encode(errors="replace").decode()


def escaped(value: str) -> str:
    """As a header's value."""
    return quote(value, safe=PRINTABLE)


def _checked(attributes: Mapping[str, str], data: bytes, content_type: str) -> CloudEvent:
    missing = [name for name in REQUIRED if not attributes.get(name)]
    if missing:
        raise NotACloudEvent(f"a CloudEvent needs {', '.join(REQUIRED)}; {', '.join(missing)} is missing")
    if len(attributes) > MAX_ATTRIBUTES:
        raise NotACloudEvent(f"expected at most {MAX_ATTRIBUTES} attributes, found {len(attributes)}")
    if len(content_type) > MAX_CONTENT_TYPE:
        raise NotACloudEvent(f"expected a content type of at most {MAX_CONTENT_TYPE} characters, found {len(content_type)}")
    total = 0
    for name, value in attributes.items():
        if not NAME.fullmatch(name):
            raise NotACloudEvent(f"expected 1 to 64 lower-case letters and digits as an attribute's name, found {name[:80]!r}")
        length, limit = len(escaped(value)), SHORT.get(name, MAX_VALUE)
        if length > limit:
            raise NotACloudEvent(f"expected at most {limit} characters as {name}, found {length}")
        total += len(name) + length
    if total > MAX_CONTEXT:
        raise NotACloudEvent(f"expected at most {MAX_CONTEXT} characters of attributes, found {total}")
    return CloudEvent(attributes=attributes, data=data, content_type=content_type)


def from_amqp(headers: Mapping[str, Any], content_type: str | None, body: bytes) -> CloudEvent | None:
    """The event of a message; ``None`` where it is none. Raises ``NotACloudEvent`` where it is half of one."""
    kind = content_type or "application/json"
    if kind.startswith(STRUCTURED):
        return from_structured(body)
    attributes = {}
    for name, value in headers.items():
        plain = name.removeprefix("ce-").removeprefix("cloudEvents:")
        if (plain != name or NAME.fullmatch(name)) and not isinstance(value, dict | list):
            attributes[plain] = text_of(value)
    if "specversion" not in attributes:
        return None
    return _checked(attributes, body, kind)


def to_amqp(event: CloudEvent) -> dict[str, str]:
    """The headers of a message in binary mode; its body is the event's data."""
    return {f"ce-{name}": value for name, value in event.attributes.items()}


def from_http(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """The event of a request or an answer, binary or structured. Raises ``NotACloudEvent``."""
    lowered = {name.lower(): value for name, value in headers.items()}
    kind = lowered.get("content-type", "application/json")
    if kind.startswith(STRUCTURED):
        return from_structured(body)
    attributes = {name.removeprefix("ce-"): value for name, value in lowered.items() if name.startswith("ce-")}
    return _checked(attributes, body, kind)


def to_http(event: CloudEvent) -> dict[str, str]:
    """The headers of a request in binary mode; its body is the event's data.

    What may not stand in a header is percent-encoded. Not the percent sign, as the HTTP binding would have it: the SDK decodes
    nothing, and our subjects carry theirs already.
    """
    headers = {f"ce-{name}": escaped(value) for name, value in event.attributes.items()}
    return {"content-type": escaped(event.content_type), **headers}


def from_structured(body: bytes | Mapping[str, Any]) -> CloudEvent:
    """The event of a structured JSON envelope. Raises ``NotACloudEvent``."""
    try:
        envelope = dict(body if isinstance(body, Mapping) else read_json(body))
        raw = base64.b64decode(envelope["data_base64"], validate=True) if "data_base64" in envelope else None
    except (ValueError, TypeError) as error:
        raise NotACloudEvent(f"a structured CloudEvent is a JSON object: {error}") from None
    attributes = {
        str(name): text_of(value) for name, value in envelope.items() if name not in NOT_ATTRIBUTES and value is not None
    }
    if raw is None:
        raw = write_json(envelope["data"]) if "data" in envelope else b""
    return _checked(attributes, raw, str(envelope.get("datacontenttype", "application/json")))


def batch(body: bytes) -> list[CloudEvent]:
    """The events of a batch. Raises ``NotACloudEvent``."""
    try:
        envelopes = read_json(body)
    except ValueError as error:
        raise NotACloudEvent(f"a batch is a JSON array: {error}") from None
    if not isinstance(envelopes, list) or not all(isinstance(one, dict) for one in envelopes):
        raise NotACloudEvent("a batch is a JSON array of objects")
    return [from_structured(one) for one in envelopes]


def structured(event: CloudEvent) -> dict[str, Any]:
    """The structured envelope; data that is no JSON is kept as text."""
    try:
        data: Any = read_json(event.data)
    except ValueError:
        data = event.data.decode(errors="replace")
    return {**event.attributes, "datacontenttype": event.content_type, "data": data}


def carrying(event: CloudEvent, context: Mapping[str, str]) -> CloudEvent:
    """The event with another trace context, if there is one; all else, its id above all, is as it was."""
    return replace(event, attributes={**event.attributes, **context}) if context else event


def wrapped(body: bytes, kind: str, *, lane: str, headers: Mapping[str, Any] = {}) -> CloudEvent:
    """An event made of a message that is none: a bucket's notification as S3 servers send it.

    Copies of it have one id and one trace, which ``headers`` may name; the time is when it was read.
    """
    try:
        data = write_json({"body": read_json(body)})
    except ValueError:
        data = write_json({"body": body.decode(errors="replace")})
    identity = notification_id(body)
    given = context_of({name: text_of(value) for name, value in headers.items()})
    traceparent = trace_of(given.get("traceparent"), identity)
    common = attributes_of(kind, identity, source="/museum-search/bucket", traceparent=traceparent)
    return CloudEvent(attributes={**common, **given, "lane": lane}, data=data)


def happened(body: bytes) -> str:
    """When a bucket's change happened, by the first record of its notification; empty where it does not say."""
    try:
        return str(read_json(body)["Records"][0]["eventTime"])
    except (ValueError, TypeError, LookupError):
        return ""


def summary(event: CloudEvent) -> CloudEvent:
    """The copy for observers: the attributes, and of the data its plain values, the longest left out until it fits."""
    try:
        data = read_json(event.data)
    except ValueError:
        data = {}
    plain = (
        {name: value for name, value in data.items() if isinstance(value, str | int | float)} if isinstance(data, dict) else {}
    )
    while len(encoded := write_json(plain)) > SUMMARY_LIMIT:
        del plain[max(plain, key=lambda name: len(write_json(plain[name])))]
    attributes = {name: value for name, value in event.attributes.items() if name != "subject" or len(value) <= SUMMARY_LIMIT}
    return replace(event, attributes=attributes, data=encoded)
