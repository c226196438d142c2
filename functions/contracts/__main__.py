"""Writes the contracts anew: ``python -m functions.contracts``. A test compares what is committed with what this would write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from functions import events
from functions.contracts.samples import SAMPLES
from functions.runtime.attributes import CONTRACTS

FOLDER = Path(__file__).parent


def name_of(event: type[Any]) -> str:
    """``02-image.received.v1``: the place in the flow, and the type."""
    return f"{events.EVENTS.index(event) + 1:02}-{event.TYPE.removeprefix(events.TYPE_PREFIX)}"


def schema_of(event: type[Any]) -> dict[str, Any]:
    """The JSON Schema of an event's data."""
    schema = msgspec.json.schema(event)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": CONTRACTS + name_of(event)[3:], **schema}


def sample_of(event: type[Any]) -> dict[str, Any]:
    """A CloudEvent with every field filled."""
    sample = SAMPLES[event]
    common = {name: getattr(sample, name) for name in ("museum", "owner", "lane", "purpose") if hasattr(sample, name)}
    return {
        "specversion": "1.0",
        "id": events.derived_id("sample", event.TYPE),
        "source": "/museum-search/sample",
        "type": event.TYPE,
        "subject": events.subject_of(getattr(sample, "key", "")) or "-",
        "time": "2026-01-31T12:00:00.000Z",
        "dataschema": CONTRACTS + name_of(event)[3:],
        "datacontenttype": "application/json",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        **common,
        "data": events.to_data(sample),
    }


def files() -> dict[str, str]:
    """Every contract file by its name."""
    made = {}
    for event in events.EVENTS:
        made[f"{name_of(event)}.schema.json"] = dumped(schema_of(event))
        made[f"{name_of(event)}.sample.json"] = dumped(sample_of(event))
    return made


def dumped(value: Any) -> str:
    """JSON for people and diffs."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text)
    print(f"wrote {len(files())} contracts")
