"""What buckets send when something changes: one parser for every S3 server's JSON.

Seen: AWS, MinIO, RustFS and JuiceFS escape the key as in a query string; versitygw sends it raw. ``eventName`` comes
with and without ``s3:``. A test event has no ``Records``. Removed events carry no eTag.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote_plus, unquote_plus

from functions.errors import Reject
from functions.events import derived_id

MAX_RECORDS = 1000
MAX_SIZE = 2**63 - 1
"""Bytes; above, no event can hold the number."""
SHOWN = 200
"""Letters of a record that the reason shows, why it cannot be read."""
_ESCAPED = re.compile(r"^(?:[A-Za-z0-9\-_.~*/!'()+:@$,;=&]|%[0-9A-Fa-f]{2})*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object that was written or removed."""

    kind: Literal["created", "removed"]
    bucket: str
    key: str
    version: str
    """versionId, or eTag without quotes; empty where the server does not say, as of removals."""
    size: int
    sequencer: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    """User metadata, lower-case names without ``x-amz-meta-``; servers of MinIO's family send it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A record that names no object."""

    id: str
    """Made of the record: a copy has the same."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """What the records of a notification tell."""

    changes: tuple[Change, ...]
    unreadable: tuple[Unreadable, ...]


def parse(body: Any) -> Notified:
    """What a notification tells; test events tell nothing.

    Raises ``Reject`` for what is no notification at all. One bad record hurts only itself. A record that tells of something
    else than a created or removed object (a restore, a tag) is passed over.
    """
    if not isinstance(body, dict):
        raise Reject("broken-notification", f"expected a bucket notification as a JSON object, found {type(body).__name__}")
    if body.get("Event") == "s3:TestEvent":
        return Notified(changes=(), unreadable=())
    records = body.get("Records")
    if not isinstance(records, list):
        raise Reject("no-records", "expected a bucket notification with Records, found none: is the sender an S3 server?")
    if len(records) > MAX_RECORDS:
        raise Reject("too-many-records", f"a notification may have {MAX_RECORDS} records, this one has {len(records)}")
    whole = body.get("Key") if len(records) == 1 else None
    told = [_change(record, whole) for record in records]
    return Notified(
        changes=tuple(one for one in told if isinstance(one, Change)),
        unreadable=tuple(one for one in told if isinstance(one, Unreadable)),
    )


def _change(record: Any, whole: Any) -> Change | Unreadable | None:
    try:
        item = record["s3"]["object"]
        name, bucket, key = (_name(given) for given in (record["eventName"], record["s3"]["bucket"]["name"], item["key"]))
    except (KeyError, TypeError, ValueError):
        return _unreadable(record)
    name = name.removeprefix("s3:")
    if name.startswith("ObjectCreated:"):
        kind: Literal["created", "removed"] = "created"
    elif name.startswith("ObjectRemoved:") or name.startswith("LifecycleExpiration:"):
        kind = "removed"
    else:
        return None
    tag = _text(item.get("eTag") or item.get("etag")).strip('"')
    version = _text(item.get("versionId"))
    sequencer = _text(item.get("sequencer"))
    return Change(
        kind=kind,
        bucket=bucket,
        key=_key(bucket, key, whole),
        version=tag if kind == "removed" or version in ("", "null") else version,
        size=_size(item.get("size")),
        sequencer=sequencer.upper().rjust(32, "0") if sequencer else "",
        metadata=_metadata(item.get("userMetadata")),
    )


def _unreadable(record: Any) -> Unreadable:
    shown = json.dumps(record, sort_keys=True)  # ASCII: half a surrogate pair stays an escape
    return Unreadable(
        id=derived_id(shown, "unreadable record"),
        reason=f"expected eventName, s3.bucket.name and s3.object.key in each record, found {shown[:SHOWN]}",
    )


def _name(given: Any) -> str:
    """A name that has to be there. Raises ``TypeError`` or ``ValueError``, also for what UTF-8 cannot hold: no object has it."""
    if not isinstance(given, str):
        raise TypeError
    if not given.encode():
        raise ValueError
    return given


def _text(given: Any) -> str:
    """What may be missing, as text that UTF-8 can hold."""
    return str(given or "").encode(errors="replace").decode()


def _size(given: Any) -> int:
    """Bytes; 0, which is unknown, for what makes no sense."""
    try:
        size = int(given)
    except (TypeError, ValueError, OverflowError):
        return 0
    return size if 0 <= size <= MAX_SIZE else 0


def _key(bucket: str, key: str, whole: Any) -> str:
    """The key as S3 has it.

    Servers of MinIO's family add the raw ``<bucket>/<key>`` on top, which settles it. Else what cannot have been escaped
    is raw, and the rest was.
    """
    if isinstance(whole, str) and whole.startswith(bucket + "/"):
        raw = whole[len(bucket) + 1 :]
        if raw in (key, unquote_plus(key)):
            return raw
    return unquote_plus(key) if _ESCAPED.match(key) else key


def _metadata(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        return {}
    prefix = "x-amz-meta-"
    lowered = {str(name).lower(): str(value) for name, value in given.items()}
    return {name.removeprefix(prefix): value for name, value in lowered.items() if name.startswith(prefix)}


def notification(change: Change) -> dict[str, Any]:
    """The JSON that an S3 server would send: for the sweep, and for stores without notifications."""
    item: dict[str, Any] = {"key": quote_plus(change.key), "size": change.size, "eTag": change.version}
    if change.sequencer:
        item["sequencer"] = change.sequencer
    if change.metadata:
        item["userMetadata"] = {f"X-Amz-Meta-{name}": value for name, value in change.metadata.items()}
    name = "s3:ObjectCreated:Put" if change.kind == "created" else "s3:ObjectRemoved:Delete"
    return {
        "Key": f"{change.bucket}/{change.key}",
        "Records": [{"eventName": name, "s3": {"bucket": {"name": change.bucket}, "object": item}}],
    }
