"""The small object in ``state`` in which every catalogue photo's version ends: ``outcomes/<xx>/<upload_id>.json``.

It keeps the vectors, so that Milvus can be rebuilt without embedding again. A query's outcome is its result.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from functions.decoding import decoded
from functions.events import Event, Vector
from functions.ports import ObjectStore

PREFIX = "outcomes/"

Status = Literal["indexed", "superseded", "rejected", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one version of one photo ended."""

    upload_id: str
    museum: str
    object_id: str
    bucket: str
    key: str
    version: str
    status: Status
    """``superseded``: changed or removed, before it was indexed or since."""
    code: str = ""
    reason: str = ""
    step: str = ""
    fingerprint: str = ""
    sha256: str = ""
    vectors: tuple[Vector, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)
    received_at: float = 0.0
    ended_at: float = 0.0
    trace: str = ""
    """W3C trace id, by which its way is found in logs."""


def ended(event: Event, status: Status, **more: Any) -> Outcome:
    """The outcome of an event's upload, ended now; ``more`` are further fields."""
    return Outcome(
        upload_id=event.upload_id,
        museum=event.museum,
        object_id=event.object_id or "",
        bucket=event.bucket,
        key=event.key,
        version=event.version,
        status=status,
        stages=event.stages,
        received_at=event.received_at,
        ended_at=time.time(),
        trace=event.trace,
        **more,
    )


def key_of(upload_id: str) -> str:
    """Where an outcome is: spread over 256 folders, since 45 million in one list slowly."""
    return f"{PREFIX}{upload_id[:2]}/{upload_id}.json"


def read(store: ObjectStore, bucket: str, upload_id: str) -> Outcome | None:
    """The outcome of an upload, or ``None``."""
    found = store.get(bucket, key_of(upload_id))
    return decoded(found.body, Outcome) if found else None


def write(store: ObjectStore, bucket: str, outcome: Outcome) -> None:
    """Store an outcome, replacing an earlier one of the same upload."""
    store.put(bucket, key_of(outcome.upload_id), msgspec.json.encode(outcome), content_type="application/json")
