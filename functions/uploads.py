"""What is known of an upload from its notification alone: the fields that travel with every event of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from functions.bucket_events import Change, Unreadable
from functions.catalogue.keys import CatalogueKey, QueryKey, parse_catalogue, parse_query
from functions.events import ImageRejected, Lane, subject_of, upload_id
from functions.runtime.settings import Buckets

MAX_KEY = 1024
"""Bytes of a key, as S3 has it: what is longer names no object."""


def common_of(change: Change, buckets: Buckets, museum: str, owner: str) -> dict[str, Any]:
    """The fields that travel with every event of an upload."""
    query = change.bucket == buckets.queries
    place: QueryKey | CatalogueKey = (
        parse_query(change.key, museum=museum, owner=owner) if query else parse_catalogue(change.key, museum=museum)
    )
    upload = upload_id(change.bucket, change.key, change.version)
    return {
        "museum": place.museum,
        "owner": place.owner if isinstance(place, QueryKey) else owner,
        "lane": lane_of(query, change.metadata),
        "purpose": "query" if query else "catalogue",
        "upload_id": upload,
        "bucket": change.bucket,
        "key": change.key,
        "version": change.version,
        "query_id": upload if query else None,
        "object_id": place.object_id if isinstance(place, CatalogueKey) else None,
        "received_at": time.time(),
    }


def rejected_record(record: Unreadable) -> ImageRejected:
    """The end of a record that names no upload; finish keeps it in ``state``, where a person finds it."""
    return ImageRejected(
        museum="",
        owner="",
        lane="interactive",
        purpose="query",
        upload_id=record.id,
        bucket="",
        key="",
        version="",
        step="ingest",
        code="broken-record",
        reason=record.reason,
    )


def known_of(changes: Sequence[Change], buckets: Buckets, museum: str, owner: str) -> dict[str, str]:
    """The attributes of a notification's event that its one change tells; none where it has several, or no S3 key."""
    try:
        if len(changes) != 1 or len(changes[0].key.encode()) > MAX_KEY:
            return {}
        common = common_of(changes[0], buckets, museum, owner)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON allows and UTF-8 does not
        return {}
    return {"subject": subject_of(common["key"]) or "-"} | {name: subject_of(common[name]) for name in ("museum", "owner")}


def lane_of(query: bool, metadata: Mapping[str, str]) -> Lane:
    """A person waits for a search, and for a catalogue upload that says so; imports are bulk."""
    return "interactive" if query or metadata.get("lane") == "interactive" else "bulk"
