"""What buckets send when something changes: one parser for every S3 server's JSON.

Seen: AWS, MinIO, RustFS and JuiceFS escape the key as in a query string; versitygw sends it raw. ``eventName`` comes
with and without ``s3:``. A test event has no ``Records``. Removed events carry no eTag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote_plus, unquote_plus

from functions.errors import Reject

MAX_RECORDS = 1000
_ESCAPED = re.compile(r"^(?:[A-Za-z0-9\-_.~*/!'()+:@$,;=&]|%[0-9A-Fa-f]{2})*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object that was written or removed."""

    kind: Literal["created", "removed"]
    bucket: str
    key: str
    version: str
    """versionId, or eTag without quotes; empty for removals and where the server does not say."""
    size: int
    sequencer: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    """User metadata, lower-case names without ``x-amz-meta-``; servers of MinIO's family send it."""


def parse(body: Any) -> list[Change]:
    """The changes that a notification tells; test events tell none.

    Raises ``Reject`` for what is no notification at all. A record that tells of something else than a created or removed
    object (a restore, a tag) is passed over.
    """
    if not isinstance(body, dict):
        raise Reject("broken-notification", f"expected a bucket notification as a JSON object, found {type(body).__name__}")
    if body.get("Event") == "s3:TestEvent":
        return []
    records = body.get("Records")
    if not isinstance(records, list):
        raise Reject("no-records", "expected a bucket notification with Records, found none: is the sender an S3 server?")
    if len(records) > MAX_RECORDS:
        raise Reject("too-many-records", f"a notification may have {MAX_RECORDS} records, this one has {len(records)}")
    whole = body.get("Key") if len(records) == 1 else None
    return [change for record in records if (change := _change(record, whole)) is not None]


def _change(record: Any, whole: Any) -> Change | None:
    try:
        name = str(record["eventName"]).removeprefix("s3:")
        bucket = str(record["s3"]["bucket"]["name"])
        item = record["s3"]["object"]
        key = str(item["key"])
    except (KeyError, TypeError):
        raise Reject("broken-record", "expected eventName, s3.bucket.name and s3.object.key in each record") from None
    if name.startswith("ObjectCreated:"):
        kind: Literal["created", "removed"] = "created"
    elif name.startswith("ObjectRemoved:") or name.startswith("LifecycleExpiration:"):
        kind = "removed"
    else:
        return None
    tag = str(item.get("eTag") or item.get("etag") or "").strip('"')
    version = str(item.get("versionId") or "")
    return Change(
        kind=kind,
        bucket=bucket,
        key=_key(bucket, key, whole),
        version="" if kind == "removed" else (version if version not in ("", "null") else tag),
        size=int(item.get("size") or 0),
        sequencer=str(item.get("sequencer") or "").upper().rjust(32, "0") if item.get("sequencer") else "",
        metadata=_metadata(item.get("userMetadata")),
    )


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
