"""ingest: what a bucket says becomes events of ours, one for each upload, record and removal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functions import outcome, queries
from functions.bucket_events import Change, parse
from functions.catalogue.keys import CatalogueKey, QueryKey, parse_catalogue, parse_query
from functions.errors import MOMENTARY, Reject
from functions.events import BucketNotified, Image, ImageReceived, ImageRejected, ImageRemoved, ObjectChanged
from functions.ports import ObjectStore
from functions.queries import QueryFile
from functions.results import Announcement, announcement, is_final, read_result
from functions.runtime.settings import Buckets
from functions.uploads import common_of, rejected_record

Ingested = ImageReceived | ImageRemoved | ObjectChanged | Announcement


def ingest(
    event: BucketNotified, *, store: ObjectStore, buckets: Buckets, museum: str, owner: str, live: Callable[[], str]
) -> list[Ingested]:
    """The events of a notification. One bad record hurts only itself.

    ``museum`` and ``owner`` are the defaults. ``live``: fingerprint, asked of a photo that has vectors already.
    """
    told = parse(event.body)
    made = [safely(change, store=store, buckets=buckets, museum=museum, owner=owner, live=live) for change in told.changes]
    return [one for one in made if one is not None] + [rejected_record(record) for record in told.unreadable]


def safely(
    change: Change, *, store: ObjectStore, buckets: Buckets, museum: str, owner: str, live: Callable[[], str]
) -> Ingested | None:
    """One change's event; a ``Reject`` becomes the event that says so, since its neighbours go on."""
    common = common_of(change, buckets, museum, owner)
    try:
        if change.bucket == buckets.queries:
            return of_query(change, common, parse_query(change.key, museum=museum, owner=owner), store, buckets)
        if change.bucket == buckets.catalogue:
            return of_catalogue(change, common, parse_catalogue(change.key, museum=museum), store, buckets, live)
        expected = f"{buckets.queries} or {buckets.catalogue}"
        raise Reject("unknown-bucket", f"expected an upload to {expected}, found one to {change.bucket}")
    except Reject as reject:
        return ImageRejected(**common, step="ingest", code=reject.code, reason=reject.reason)


def of_query(
    change: Change, common: dict[str, Any], key: QueryKey, store: ObjectStore, buckets: Buckets
) -> ImageReceived | Announcement | None:
    """A query is searched once; one that has a result is announced again."""
    if change.kind == "removed" or key.kind == "part":
        return None
    known = read_result(store, buckets.results, common["upload_id"])
    if known is not None and is_final(known):
        return announcement(known, common, bucket=buckets.results)
    if key.kind == "photo":
        return ImageReceived(**common, images=(image_of(change),), cause=change.sequencer)
    wanted = query_file(change, store)
    return ImageReceived(
        **common,
        images=tuple(photo_of(store, change.bucket, key, photo) for photo in wanted.photos),
        region=wanted.region,
        ask=wanted.ask,
        cause=change.sequencer,
    )


def of_catalogue(
    change: Change, common: dict[str, Any], key: CatalogueKey, store: ObjectStore, buckets: Buckets, live: Callable[[], str]
) -> ImageReceived | ImageRemoved | ObjectChanged | None:
    """A record or a known photo: index compares. A photo that is new, or whose vectors are of another model: it is embedded."""
    if key.kind == "record":
        return ObjectChanged(**common, cause=change.sequencer)
    if change.kind == "removed":
        return ImageRemoved(**common, cause=change.sequencer)
    known = outcome.read(store, buckets.state, common["upload_id"])
    if known is None or known.status == "failed" or known.code in MOMENTARY:
        return ImageReceived(**common, images=(image_of(change),), cause=change.sequencer)
    if not known.vectors:
        return None
    if known.fingerprint != live():
        return ImageReceived(**common, images=(image_of(change),), cause=change.sequencer)
    return ObjectChanged(**common, cause=change.sequencer)


def image_of(change: Change) -> Image:
    """The photo that was uploaded."""
    return Image(bucket=change.bucket, key=change.key, version=change.version, size=change.size)


def query_file(change: Change, store: ObjectStore) -> QueryFile:
    """Read ``*.query.json``."""
    found = store.get(change.bucket, change.key, limit=queries.MAX_BYTES)
    if found is None:
        raise Reject("gone", "the query file was deleted before it was read: upload it again")
    if found.info.version != change.version:
        raise Reject("superseded", "the query file was overwritten before it was read: the newer one is searched")
    return queries.decode(found.body)


def photo_of(store: ObjectStore, bucket: str, file: QueryKey, key: str) -> Image:
    """A photo that a query file names, as it is now. Raises ``Reject`` for another owner's, and for one that is not there."""
    if not queries.may_name(file, key):
        raise Reject(
            "not-a-part",
            f"a query file names photos of its own museum and owner, {file.museum}/{file.owner}/…/parts/… "
            f"or those of an earlier query {file.museum}/{file.owner}/…/…, found {key}",
        )
    found = store.head(bucket, key)
    if found is None:
        raise Reject("gone", f"the photo {key} that the query file names is not there: upload the parts first")
    return Image(bucket=bucket, key=key, version=found.version, size=found.size)
