"""Every event has a schema and a sample, and what is committed is what the dataclasses say."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from functions import events, versions
from functions.contracts.__main__ import FOLDER, files, name_of, sample_of, schema_of
from functions.errors import Unavailable
from functions.runtime.envelope import Undecodable, decode, envelope_of, typed

ALL = pytest.mark.parametrize("event", events.EVENTS, ids=lambda event: event.TYPE)


def test_committed_contracts_are_what_the_dataclasses_say() -> None:
    """A changed dataclass without `python -m functions.contracts` is found here."""
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert committed == files()


@ALL
def test_a_sample_fits_its_schema_and_reads_as_its_dataclass(event: type[Any]) -> None:
    """The sample is valid, and reading and writing it loses nothing."""
    sample = sample_of(event)
    jsonschema.Draft202012Validator(schema_of(event)).validate(sample["data"])
    read = typed(event.TYPE, sample["data"], consumes=(event.TYPE,))
    assert events.to_data(read) == sample["data"]


@ALL
def test_a_schema_refuses_a_missing_field(event: type[Any]) -> None:
    """Each required field is required in the schema too."""
    data = dict(sample_of(event)["data"])
    required = schema_of(event)["$defs"][event.__name__]["required"]
    data.pop(required[0])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema_of(event)).validate(data)
    with pytest.raises(Undecodable, match=required[0]):
        typed(event.TYPE, data, consumes=(event.TYPE,))


@ALL
def test_an_event_survives_the_envelope(event: type[Any]) -> None:
    """Written for the wire and read again it is the same, with the attributes that every event carries."""
    from cloudevents.conversion import to_binary

    sample = typed(event.TYPE, sample_of(event)["data"], consumes=(event.TYPE,))
    trace = getattr(sample, "trace", "a" * 32)
    envelope = envelope_of(sample, event_id="id-1", step="test", traceparent=f"00-{trace}-{'b' * 16}-01")
    headers, body = to_binary(envelope)
    assert all(value.isascii() for value in headers.values()), "the SDK breaks on what is not ASCII"
    assert headers["ce-dataschema"].endswith(name_of(event)[3:])
    assert {"ce-time", "ce-traceparent", "ce-subject"} <= set(headers)
    read = decode(headers, body if isinstance(body, bytes) else body.encode(), consumes=(event.TYPE,))
    assert read.event == sample
    assert read.traceparent[3:35] == trace


@pytest.mark.parametrize(
    "event", [item for item in events.EVENTS if issubclass(item, events.Event)], ids=lambda event: event.TYPE
)
def test_museum_owner_and_lane_are_in_every_event(event: type[Any]) -> None:
    """A router or a log needs no look into the data, and a consumer none into the envelope."""
    sample = sample_of(event)
    for name in ("museum", "owner", "lane", "purpose"):
        assert sample[name] == sample["data"][name] != ""


def test_an_event_stays_under_64_kb_with_eight_photos() -> None:
    """Eight photos with long keys and 1536-d vectors fit into one message."""
    import numpy as np

    from functions.contracts.samples import FINGERPRINT, SAMPLES

    image = SAMPLES[events.QueryEmbedded].images[0]
    long = type(image)(**{**{name: getattr(image, name) for name in image.__slots__}, "key": "к" * 500})
    vectors = tuple(events.Vector.pack(np.full(1536, 1536**-0.5, np.float32), image=number) for number in range(8))
    common = {name: getattr(SAMPLES[events.QueryEmbedded], name) for name in events.Event.__slots__}
    event = events.QueryEmbedded(**common, images=(long,) * 8, fingerprint=FINGERPRINT, vectors=vectors)
    assert len(events.to_json(event)) < 64_000


@pytest.mark.parametrize("event", [events.ImageReceived, events.ImagePreprocessed, events.QueryEmbedded], ids=lambda e: e.TYPE)
def test_an_event_from_before_queries_could_be_narrowed_asks_for_everything(event: type[Any]) -> None:
    """Additions have defaults: the version stays."""
    data = {name: value for name, value in sample_of(event)["data"].items() if name not in ("ask", "region")}
    read = typed(event.TYPE, data, consumes=(event.TYPE,))
    assert (read.ask, read.region) == (events.Ask(), None)


def previous_samples() -> list[tuple[str, dict[str, Any]]]:
    """Samples of the version before, of each event that changed in this release."""
    return [(path.stem, json.loads(path.read_text())) for path in sorted((FOLDER / "previous").glob("*.sample.json"))]


def test_every_event_of_the_previous_version_is_read_and_written() -> None:
    """Release N reads N-1 from its sample and writes it when told to."""
    samples = previous_samples()
    assert {sample["type"] for _, sample in samples} == {
        f"{kind.rpartition('.v')[0]}.v{versions.number(kind) - 1}" for kind in versions.CHANGES
    }
    for _, sample in samples:
        current = versions.current_of(sample["type"])
        assert current is not None
        event = typed(sample["type"], sample["data"], consumes=(current,))
        assert versions.downgrade(current, events.to_data(event)) == (sample["type"], sample["data"])


def test_a_changed_event_is_read_and_written_in_both_versions() -> None:
    """The mechanism itself, on an event that changes from one photo to several."""
    known = {"x.thing.done.v2": object}
    change = versions.Change(
        upgrade=lambda data: {"photos": [data["photo"]]}, downgrade=lambda data: {"photo": data["photos"][0]}
    )
    changes = {"x.thing.done.v2": change}
    assert versions.upgrade("x.thing.done.v1", {"photo": 1}, known=known, changes=changes) == {"photos": [1]}
    assert versions.downgrade("x.thing.done.v2", {"photos": [1]}, changes=changes) == ("x.thing.done.v1", {"photo": 1})
    with pytest.raises(versions.TooOld, match="at most one version before"):
        versions.upgrade("x.thing.done.v0", {"photo": 1}, known=known, changes=changes)


def test_a_newer_version_waits_and_an_older_one_is_refused() -> None:
    """A release that is rolled out later reads the newer; nothing ever reads the older."""
    kind = events.ImageReceived.TYPE
    with pytest.raises(Unavailable, match="newer release"):
        typed(kind.replace(".v1", ".v2"), {}, consumes=(kind,))
    with pytest.raises(Undecodable) as refused:
        typed(kind.replace(".v1", ".v0"), {}, consumes=(kind,))
    assert refused.value.code == "too-old"


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({}, b"{}", "not-a-cloudevent"),
        ({"ce-id": "1", "ce-source": "/x", "ce-specversion": "1.0", "ce-type": "who.knows.v1"}, b"{}", "unknown-type"),
        ({"ce-id": "1", "ce-source": "/x", "ce-specversion": "1.0", "ce-type": events.ImageReceived.TYPE}, b"{", "broken-json"),
        ({"ce-id": "1", "ce-source": "/x", "ce-specversion": "1.0", "ce-type": events.ImageReceived.TYPE}, b"[]", "wrong-data"),
    ],
)
def test_what_can_never_be_read_is_refused_with_a_code(headers: dict[str, str], body: bytes, code: str) -> None:
    """Each kind of garbage has its own code."""
    with pytest.raises(Undecodable) as refused:
        decode({"content-type": "application/json", **headers}, body, consumes=(events.ImageReceived.TYPE,))
    assert refused.value.code == code
