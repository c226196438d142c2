"""What is known of an upload from its notification alone: the fields that travel with every event of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from functions.bucket_events import Change, Unreadable
from functions.catalogue.keys import CatalogueKey, QueryKey, parse_catalogue, parse_query
from functions.events import ImageRejected, Lane, upload_id
from functions.runtime.settings import Buckets


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


def lane_of(query: bool, metadata: Mapping[str, str]) -> Lane:
    """A person waits for a search, and for a catalogue upload that says so; imports are bulk."""
    return "interactive" if query or metadata.get("lane") == "interactive" else "bulk"
