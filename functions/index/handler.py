"""index: make the rows of one object equal to what S3 says now.

An event is a hint, S3 is the truth. Whatever came (a new vector, a changed record, a removed photo), the same thing is
done: list the object, compare with its rows, write and delete the difference, and go round if the listing changed
meanwhile. So a late or repeated event changes nothing, and a create never brings back what was deleted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from functions import outcome
from functions.catalogue.keys import CatalogueKey, parse_catalogue
from functions.catalogue.record import Listing
from functions.errors import Reject, Retry
from functions.events import CatalogueEmbedded, ImageIndexed, ImageRemoved, ObjectChanged, row_id, upload_id
from functions.outcome import Outcome
from functions.ports import IndexRow, ObjectStore, VectorIndex
from functions.runtime.carry import carried
from functions.runtime.settings import Buckets

ROUNDS = 5
"""How often an object may change while it is compared, before its message waits a second."""

Photo = tuple[str, str]
"""(key, version)"""
Rows = list[tuple[IndexRow, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done to a collection: whether anything was written, and the photos whose rows went."""

    written: bool
    gone: set[Photo]


ListingOf = Callable[[str, str, str], Listing]
"""What a record says that a row needs, given its bucket, key and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """An object as S3 has it: the version of each of its keys."""

    place: CatalogueKey
    bucket: str
    versions: Mapping[str, str]

    @property
    def record_version(self) -> str:
        """Version of the record, empty where there is none."""
        return self.versions.get(self.place.record_key, "")

    @property
    def photos(self) -> list[Photo]:
        """Each photo."""
        return [(key, version) for key, version in self.versions.items() if key != self.place.record_key]


def index(
    event: CatalogueEmbedded | ImageRemoved | ObjectChanged,
    *,
    store: ObjectStore,
    rows: VectorIndex,
    listings: ListingOf,
    buckets: Buckets,
    collections: Callable[[], Sequence[str]],
) -> ImageIndexed:
    """Bring the object's rows up to date, and say whether what the event tells of is still so.

    Raises ``Reject`` for a record that cannot be read, after that.

    ``collections`` gives :func:`known` ones: what is no new vector concerns them all.
    """
    made = made_by(event) if isinstance(event, CatalogueEmbedded) else None
    place = parse_catalogue(event.key, museum=event.museum)
    gone: set[Photo] = set()
    for _ in range(ROUNDS):
        before = snapshot(store, event.bucket, place)
        current = before.versions.get(event.key) == event.version
        of_record = event.key == place.record_key
        fingerprints = [event.fingerprint] if isinstance(event, CatalogueEmbedded) else collections()
        written = False
        for fingerprint in fingerprints:
            done = bring_up_to_date(
                fingerprint, before, made, gone, only_known=of_record, store=store, rows=rows, listings=listings, buckets=buckets
            )
            gone |= done.gone
            written |= done.written
        if made is not None:
            made = replace(made, status="indexed" if current else "superseded", ended_at=time.time())
            outcome.write(store, buckets.state, made)
        problem = listing(before, listings).problem if current and of_record else ""
        if current and of_record and not problem:
            outcome.write(store, buckets.state, outcome.ended(event, "indexed", step="index"))
        told = {(event.key, event.version)} if made is None and event.version else set()
        aside = (gone | told) - set(before.versions.items())
        for key, version in aside:
            set_aside(upload_id(event.bucket, key, version), store, buckets)
        if not (written or aside) or snapshot(store, event.bucket, place) == before:
            if problem:  # the photos stay findable, without what it says
                raise Reject("bad-record", problem)
            return ImageIndexed(
                **carried(event), fingerprint=",".join(fingerprints), status="indexed" if current else "superseded"
            )
    raise Retry(f"object {place.prefix} changed {ROUNDS} times while it was indexed")


def known(rows: VectorIndex, live: str) -> list[str]:
    """Every collection that there is or should be, by its first 12 characters."""
    return sorted({*rows.collections(), live[:12]})


def made_by(event: CatalogueEmbedded) -> Outcome:
    """The outcome that an embedded photo will have. Raises ``Reject`` for a vector that is none, also of a photo that is gone:
    what is stored once is trusted when the photo comes back."""
    for vector in event.vectors:
        vector.unpack()
    return outcome.ended(
        event,
        "indexed",
        step="index",
        fingerprint=event.fingerprint,
        sha256=event.images[0].sha256,
        vectors=event.vectors,
    )


def snapshot(store: ObjectStore, bucket: str, place: CatalogueKey) -> Snapshot:
    """The object as it is now: one listing."""
    listed = store.list(bucket, place.prefix)
    return Snapshot(place=place, bucket=bucket, versions={item.key: item.version for item in listed if place.owns(item.key)})


def bring_up_to_date(
    fingerprint: str,
    now: Snapshot,
    made: Outcome | None,
    aside: Set[Photo],
    *,
    only_known: bool,
    store: ObjectStore,
    rows: VectorIndex,
    listings: ListingOf,
    buckets: Buckets,
) -> Done:
    """Write the rows that are missing or stale, delete those that S3 no longer has, and stale ones whose vectors are now those of
    another model: in the collection of a model that was switched off nothing stays visible that its record hides.

    ``aside`` was gone a moment ago: where it is back its outcome has to say so. ``only_known`` leaves out other photos without a
    row: a record comes right before its photos, which have events of their own.
    """
    existing = rows.rows(fingerprint, now.place.museum, now.place.object_id)
    good = {(row.key, row.version) for row in existing if row.record_version == now.record_version} - aside
    keys = {row.key for row in existing} | {key for key, _ in aside}
    missing = [photo for photo in now.photos if photo not in good and (photo[0] in keys or not only_known)]
    outcomes = [found for photo in missing if (found := vectors_of(now.bucket, *photo, made, store, buckets))]
    usable = [found for found in outcomes if found.fingerprint[:12] == fingerprint[:12]]
    if usable:
        rows.upsert(fingerprint, rows_of(usable, now, listing(now, listings)))
    gone = [row for row in existing if (row.key, row.version) not in set(now.photos)]
    written = {row_id(found.bucket, found.key, vector.view) for found in usable for vector in found.vectors}
    embedded_anew = {(found.key, found.version) for found in outcomes} - {(found.key, found.version) for found in usable}
    stale = [row for row in existing if (row.key, row.version) in embedded_anew]
    rows.delete(fingerprint, [row.id for row in (*gone, *stale) if row.id not in written])
    return Done(written=bool(usable or gone or stale), gone={(row.key, row.version) for row in gone})


def set_aside(identity: str, store: ObjectStore, buckets: Buckets) -> None:
    """Say in an outcome that what it tells of is gone, by which the sweep knows that the removal was not lost."""
    found = outcome.read(store, buckets.state, identity)
    if found is not None and found.status == "indexed":
        outcome.write(store, buckets.state, replace(found, status="superseded", ended_at=time.time()))


def vectors_of(bucket: str, key: str, version: str, made: Outcome | None, store: ObjectStore, buckets: Buckets) -> Outcome | None:
    """The outcome that holds a photo's vectors: the event's own, or the stored one. ``None`` while it is on its way."""
    upload = upload_id(bucket, key, version)
    if made is not None and made.upload_id == upload:
        return made
    found = outcome.read(store, buckets.state, upload)
    if found is None or not found.vectors:
        return None
    if found.status != "indexed":  # it was gone when it was embedded, and is back
        outcome.write(store, buckets.state, replace(found, status="indexed", ended_at=time.time()))
    return found


def listing(now: Snapshot, listings: ListingOf) -> Listing:
    """What the record says that a row needs; an object without a readable record is listed without class and not public."""
    return listings(now.bucket, now.place.record_key, now.record_version)


def rows_of(outcomes: Iterable[Outcome], now: Snapshot, listed: Listing) -> Rows:
    """One row a vector."""
    return [
        (
            IndexRow(
                id=row_id(found.bucket, found.key, vector.view),
                museum=now.place.museum,
                object_id=now.place.object_id,
                class_code=listed.class_code,
                public=listed.public,
                status="active",
                bucket=found.bucket,
                key=found.key,
                version=found.version,
                view=vector.view,
                sha256=found.sha256,
                record_version=now.record_version,
                year_from=listed.year_from,
                year_to=listed.year_to,
            ),
            vector.unpack(),
        )
        for found in outcomes
        for vector in found.vectors
    ]
