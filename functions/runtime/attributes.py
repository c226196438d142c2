"""The attributes that every event carries on its way. Standard library only: trigger and outbox do without the SDK."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import UTC, datetime

from functions.events import TYPE_PREFIX

CONTRACTS = "urn:museumsearch:contract:"
TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")
"""What a header may hold; W3C lets a longer one be dropped."""
MAX_SUBJECT = 4096
"""Characters; the longest key of S3, 1,024 bytes, has 3,072 when escaped. What is longer is no key and not told."""


def trace_of(traceparent: str | None, event_id: str) -> str:
    """The W3C trace context for what is made of an event: the event's own, unchanged, since no span is made of it here.

    Without a valid one the trace begins here, with an id derived from the event's, so that copies share it.
    """
    if traceparent and TRACEPARENT.fullmatch(traceparent):
        return traceparent
    return f"00-{trace_made_of(event_id)}-{uuid.uuid4().hex[:16]}-01"


def trace_made_of(event_id: str) -> str:
    """The id of the trace that begins with an event. Evenly spread, unlike a UUID: samplers look at its last digits."""
    return hashlib.sha256(event_id.encode()).hexdigest()[:32]


def trace_id(traceparent: str) -> str:
    """The id of the trace that a context belongs to, empty where it is none."""
    match = TRACEPARENT.fullmatch(traceparent)
    return match.group(1) if match else ""


def attributes_of(kind: str, event_id: str, *, source: str, traceparent: str, subject: str = "") -> dict[str, str]:
    """What every event has, whoever sends it; museum, owner and lane are added where they are known."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": kind,
        "subject": subject if 0 < len(subject) <= MAX_SUBJECT else "-",
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "dataschema": CONTRACTS + kind.removeprefix(TYPE_PREFIX),
        "traceparent": traceparent,
    }
