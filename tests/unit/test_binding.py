"""CloudEvents over AMQP and HTTP, as tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.events import notification_id
from functions.trigger.binding import (
    CloudEvent,
    NotACloudEvent,
    batch,
    from_amqp,
    from_http,
    from_structured,
    structured,
    summary,
    to_amqp,
    to_http,
    wrapped,
)

ATTRIBUTES = {"id": "1", "source": "/s", "specversion": "1.0", "type": "t.v1", "subject": "a%20b", "lane": "bulk"}
EVENT = CloudEvent(attributes=ATTRIBUTES, data=b'{"a":1}')
ENVELOPE = {**ATTRIBUTES, "datacontenttype": "application/json", "data": {"a": 1}}


@pytest.mark.parametrize(
    ("headers", "content_type", "body"),
    [
        ({f"ce-{name}": value for name, value in ATTRIBUTES.items()}, "application/json", EVENT.data),
        ({f"cloudEvents:{name}": value for name, value in ATTRIBUTES.items()}, "application/json", EVENT.data),
        (ATTRIBUTES, "application/json", EVENT.data),
        ({f"ce-{name}": value.encode() for name, value in ATTRIBUTES.items()}, None, EVENT.data),
        (to_amqp(EVENT) | {"x-death": [{"count": 1}], "museum-attempts": 2, "minio-event": "x"}, "application/json", EVENT.data),
        ({}, "application/cloudevents+json", json.dumps(ENVELOPE).encode()),
        ({}, "application/cloudevents+json; charset=utf-8", json.dumps(ENVELOPE).encode()),
    ],
    ids=["ce-", "cloudEvents:", "bare", "bytes", "with a broker's own", "structured", "structured with charset"],
)
def test_every_published_form_of_a_message_is_the_same_event(headers: Any, content_type: str | None, body: bytes) -> None:
    """Prefix, mode and a broker's own headers make no difference."""
    event = from_amqp(headers, content_type, body)
    assert event is not None
    assert (event.attributes, json.loads(event.data), event.content_type) == (ATTRIBUTES, {"a": 1}, "application/json")


@pytest.mark.parametrize(
    "headers",
    [{}, {"minio-event": "s3:ObjectCreated:Put"}, {"id": "1", "type": "t"}],
    ids=["none", "a store's", "no specversion"],
)
def test_a_message_without_specversion_is_no_event(headers: dict[str, str]) -> None:
    """The queue then wraps it."""
    assert from_amqp(headers, "application/json", b"{}") is None


@pytest.mark.parametrize("absent", ["id", "source", "type"])
def test_half_an_event_says_what_it_lacks(absent: str) -> None:
    """Over AMQP, over HTTP and structured."""
    half = {name: value for name, value in ATTRIBUTES.items() if name != absent}
    headers = {f"ce-{name}": value for name, value in half.items()}
    with pytest.raises(NotACloudEvent, match=f"{absent} is missing"):
        from_amqp(headers, None, b"")
    with pytest.raises(NotACloudEvent, match=f"{absent} is missing"):
        from_http(headers, b"")
    with pytest.raises(NotACloudEvent, match=f"{absent} is missing"):
        from_structured(half)


LIMITS = [
    ({"x" * 65: "1"}, "65"),
    ({"Ünicode": "1"}, "name"),
    ({"x": "y" * 4097}, "4097"),
    ({"x": "я" * 700}, "4200"),
    ({"type": "t" * 256}, "256"),
    ({f"x{number}": "1" for number in range(64)}, "at most 64 attributes"),
    ({f"x{number}": "y" * 4000 for number in range(17)}, "64000"),
]
"""Attributes that cannot travel, and what the reason says."""


@pytest.mark.parametrize(("more", "reason"), LIMITS, ids=[reason for _, reason in LIMITS])
def test_what_cannot_travel_is_refused_with_the_limit(more: dict[str, str], reason: str) -> None:
    """AMQP's names end at 255 bytes and its headers at a frame; HTTP's values at 8 KB. Over AMQP, HTTP and structured."""
    attributes = {**ATTRIBUTES, **more}
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    found = reason if reason != "65" else "x" * 65
    for read in (
        lambda: from_amqp(headers, None, b""),
        lambda: from_http(headers, b""),
        lambda: from_structured(attributes),
    ):
        with pytest.raises(NotACloudEvent, match=found):
            read()


def test_a_content_type_that_amqp_cannot_hold_is_refused() -> None:
    """It is a short string of 255 bytes."""
    with pytest.raises(NotACloudEvent, match="content type"):
        from_structured({**ATTRIBUTES, "datacontenttype": "a" * 256})


def test_what_travels_at_its_limit_fits_into_one_frame() -> None:
    """RabbitMQ's frames hold 128 KB; a header's name and type take 8 bytes more."""
    attributes = {**ATTRIBUTES, "x" * 64: "y" * 4096, **{f"x{number}": "y" * 4000 for number in range(14)}}
    event = from_structured(attributes)
    assert sum(len(name) + len(value) + 8 for name, value in to_amqp(event).items()) < 100_000


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"[" * 100_000, b'{"data_base64": 5}', b'{"data_base64": "!"}'])
def test_a_broken_envelope_is_told_as_such(body: bytes) -> None:
    """Whatever the bytes are, one exception."""
    with pytest.raises(NotACloudEvent):
        from_structured(body)


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"[", b'[{"id": "1"}]'])
def test_a_broken_batch_is_told_as_such(body: bytes) -> None:
    """A batch is a JSON array of envelopes."""
    with pytest.raises(NotACloudEvent):
        batch(body)


def test_what_is_written_reads_as_the_same_event() -> None:
    """AMQP, HTTP, structured and batch, there and back."""
    assert from_amqp(to_amqp(EVENT), EVENT.content_type, EVENT.data) == EVENT
    assert from_http(to_http(EVENT), EVENT.data) == EVENT
    assert from_structured(structured(EVENT)) == EVENT
    assert batch(json.dumps([structured(EVENT)] * 2).encode()) == [EVENT, EVENT]


def test_http_header_names_have_no_case() -> None:
    """A server may capitalise them."""
    assert from_http({name.title(): value for name, value in to_http(EVENT).items()}, EVENT.data) == EVENT


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (7, "7"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        ("\ud800", "?"),
    ],
)
def test_an_attribute_has_its_canonical_text(value: Any, text: str) -> None:
    """AMQP headers are typed, attributes travel as text, and the text fits into UTF-8."""
    event = from_amqp({**to_amqp(EVENT), "ce-x": value}, None, b"")
    assert event is not None
    assert event.attributes["x"] == text


def test_binary_data_of_an_envelope_is_decoded() -> None:
    """``data_base64`` is data, not an attribute; without either there is no data."""
    assert from_structured({**ATTRIBUTES, "data_base64": "AAE=", "datacontenttype": "image/x"}).data == b"\x00\x01"
    assert from_structured({**ATTRIBUTES}) == CloudEvent(attributes=ATTRIBUTES, data=b"")


@pytest.mark.parametrize(
    ("value", "written"),
    [("a%20b", "a%20b"), ("a b", "a b"), ("a\r\nx: y", "a%0D%0Ax: y"), ("б", "%D0%B1"), ('"', '"')],
)
def test_a_header_holds_only_printable_ascii(value: str, written: str) -> None:
    """A line break in a stranger's attribute would be a header of its own."""
    assert to_http(CloudEvent(attributes={**ATTRIBUTES, "x": value}, data=b""))["ce-x"] == written


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'{"Records": []}', {"Records": []}),
        ('{"key": "Ключ"}'.encode(), {"key": "Ключ"}),
        (b"", ""),
        (b"{", "{"),
        (b"\xff", "\ufffd"),
        (b'"\\ud800"', "\ud800"),
        (b"[" * 100_000, "[" * 100_000),
    ],
    ids=["JSON", "Cyrillic", "empty", "broken", "no UTF-8", "half a surrogate pair", "nested too deeply"],
)
def test_a_message_that_is_no_event_is_wrapped(body: bytes, data: Any) -> None:
    """Its id is that of its bytes, so that the same message is the same event."""
    event = wrapped(body, "bucket.v1", lane="bulk")
    assert json.loads(event.data) == {"body": data}
    identity = notification_id(body)
    expected = {"id": identity, "source": "/museum-search/bucket", "specversion": "1.0", "type": "bucket.v1", "lane": "bulk"}
    assert expected.items() <= event.attributes.items()
    assert {"subject", "time", "dataschema", "traceparent"} == set(event.attributes) - set(expected)
    again = wrapped(body, "bucket.v1", lane="bulk")
    assert again.attributes["traceparent"][:35] == event.attributes["traceparent"][:35], "its copies share a trace"


def test_an_observers_copy_keeps_plain_values_and_fits_into_a_kilobyte() -> None:
    """Lists and objects go first, then the longest until it fits; attributes stay."""
    data = {"a": 1, "b": "x", "c": True, "d": None, "e": [1], "f": {"g": 1}, "long": "я" * 300, "longer": "я" * 450}
    copy = summary(CloudEvent(attributes=ATTRIBUTES, data=json.dumps(data).encode()))
    assert json.loads(copy.data) == {"a": 1, "b": "x", "c": True, "long": "я" * 300}
    assert copy.attributes == ATTRIBUTES


@pytest.mark.parametrize("data", [b"", b"[1, 2]", b"\xff", b'"text"', b"[" * 100_000])
def test_an_observers_copy_of_what_is_no_object_is_empty(data: bytes) -> None:
    """Nothing but attributes, and no error: the work goes on."""
    assert summary(CloudEvent(attributes=ATTRIBUTES, data=data)).data == b"{}"


def test_an_observers_copy_of_a_very_long_key_is_small_too() -> None:
    """1,024 Cyrillic letters are 6 KB of escapes in the subject."""
    copy = summary(CloudEvent(attributes={**ATTRIBUTES, "subject": "%D0%B1" * 1024}, data=b'{"key": "%s"}' % (b"x" * 2000)))
    assert sum(len(name) + len(value) for name, value in copy.attributes.items()) + len(copy.data) <= 1024
