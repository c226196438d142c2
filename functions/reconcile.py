"""What S3 holds without an outcome, and outcomes of what it holds no longer: the sweep that raises lost events again, and the
trigger of stores that send none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low

from functions import outcome
from functions.bucket_events import Change
from functions.catalogue.keys import parse_catalogue, parse_query
from functions.events import upload_id
from functions.ports import ObjectInfo, ObjectStore
from functions.runtime.settings import Buckets

MIN_AGE = 10.0
"""Seconds after which an upload without an outcome is raised again."""
AGAIN = 300.0
"""Seconds before the same upload is raised once more: behind a long queue it has been raised enough."""


Seen = Callable[[str], None]
"""Told of each object that is looked at: its bucket."""


def unseen(_: str) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An upload that has not ended, or a removal that index has not seen."""

    upload_id: str
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A bucket compared with where its uploads end: by listings alone."""

    overdue: list[ObjectInfo]
    """Uploads older than 10 s that have not ended, and do not wait behind work that goes on."""
    unlisted: set[str]
    """Uploads that have ended, and that the bucket no longer has: removed, or overwritten."""


def look(
    store: ObjectStore,
    bucket: str,
    ends: Iterator[ObjectInfo],
    raised: Container[str],
    *,
    now: float,
    patient: bool,
    seen: Seen = unseen,
) -> Look:
    """Compare. The ends are listed first: what ends meanwhile is young.

    ``patient``: queues are in order, so while uploads end, only those that were overtaken are lost, and the later ones wait for
    their turn. Raised all the same, a long import would be decoded and embedded twice. The middle of what ended in the last 10 s
    is how far the work is; the latest would be a photo that a person saved, whose lane overtakes the import's. Records are not
    embedded, and overtake photos. What was ``raised`` says nothing of the bucket's own events, which there may be none of.
    """
    ended = ended_at(ends)
    waiting: list[ObjectInfo] = []
    recent: dict[bool, list[float]] = {True: [], False: []}
    for info in store.list(bucket):
        seen(bucket)
        identity = identity_of(info)
        at = ended.pop(identity, None)
        if at is None and info.modified < now - MIN_AGE:
            waiting.append(info)
        elif at is not None and at >= now - MIN_AGE and identity not in raised:
            recent[is_record(info)].append(info.modified)
    reached = {record: median_low(times) if times and patient else math.inf for record, times in recent.items()}
    return Look(overdue=[info for info in waiting if info.modified < reached[is_record(info)]], unlisted=set(ended))


def is_record(info: ObjectInfo) -> bool:
    """Whether an object is an object's record."""
    return parse_catalogue(info.key, museum="-").kind == "record"


def ended_at(ends: Iterator[ObjectInfo]) -> dict[str, float]:
    """The uploads that results or outcomes are of, and when these were stored."""
    return {info.key.rpartition("/")[2].removesuffix(".json"): info.modified for info in ends}


def identity_of(info: ObjectInfo) -> str:
    """The upload that an object is of."""
    return upload_id(info.bucket, info.key, info.version)


def created(info: ObjectInfo, cause: str = "") -> Missing:
    """The upload of an object."""
    change = Change(
        kind="created",
        bucket=info.bucket,
        key=info.key,
        version=info.version,
        size=info.size,
        sequencer=cause,
        metadata=info.metadata,
    )
    return Missing(upload_id=identity_of(info), change=change)


def removed(
    store: ObjectStore, buckets: Buckets, identity: str, *, statuses: Sequence[outcome.Status] = ("indexed",), cause: str = ""
) -> Missing | None:
    """The removal of what an outcome of one of these statuses tells of; ``None`` where the object is there, overwritten."""
    found = outcome.read(store, buckets.state, identity)
    if found is None or found.status not in statuses or found.bucket != buckets.catalogue:
        return None
    if store.head(found.bucket, found.key) is not None:
        return None
    change = Change(kind="removed", bucket=found.bucket, key=found.key, version=found.version, size=0, sequencer=cause)
    return Missing(upload_id=identity, change=change)


def everything(store: ObjectStore, buckets: Buckets) -> Iterator[Missing]:
    """Every catalogue photo and record: raised again, a lost index is made anew from their outcomes, without embedding.

    Then every removal, of which an index that came back from a backup may know nothing.
    """
    cause = f"{time.time_ns():032X}"  # a second rebuild within two minutes is not a copy of the first
    unlisted = ended_at(store.list(buckets.state, outcome.PREFIX))
    for info in store.list(buckets.catalogue):
        unlisted.pop(identity_of(info), None)
        yield created(info, cause)
    for identity in sorted(unlisted):
        if lost := removed(store, buckets, identity, statuses=("indexed", "superseded"), cause=cause):
            yield lost


class Sweep:
    """Remembers what it has raised, so that a long queue is not made longer each minute, and what it need not read again."""

    def __init__(self, store: ObjectStore, buckets: Buckets, seen: Seen = unseen) -> None:
        self._store = store
        self._buckets = buckets
        self._seen = seen
        self._raised: dict[str, float] = {}
        self._settled: set[str] = set()

    def due(self, *, now: float | None = None, patient: bool = False) -> Iterator[Missing]:
        """What to raise now: first what somebody may wait for. ``now`` is the store's clock.

        ``patient`` leaves in peace what of the catalogue waits behind an import that goes on; never a query, for which a person
        waits.
        """
        self._raised = {identity: at for identity, at in self._raised.items() if time.monotonic() - at < AGAIN}
        store, buckets, at = self._store, self._buckets, time.time() if now is None else now
        queries = look(store, buckets.queries, store.list(buckets.results), self._raised, now=at, patient=False, seen=self._seen)
        ends = store.list(buckets.state, outcome.PREFIX)
        catalogue = look(store, buckets.catalogue, ends, self._raised, now=at, patient=patient, seen=self._seen)
        for listed in (*queries.overdue, *catalogue.overdue):
            if identity_of(listed) not in self._raised and not is_part(listed, buckets):
                info = store.head(listed.bucket, listed.key)  # a listing does not say in which lane somebody waits
                if info is not None and info.version == listed.version:
                    yield created(info)
        yield from self._removals(catalogue.unlisted)

    def _removals(self, unlisted: set[str]) -> Iterator[Missing]:
        """Removals that index has not seen: it says in the outcome that it has. An outcome is read until nothing is to do."""
        self._settled &= unlisted
        for identity in sorted(unlisted - self._settled - self._raised.keys()):
            lost = removed(self._store, self._buckets, identity)
            if lost is None:
                self._settled.add(identity)
            else:
                yield lost

    def raised(self, one: Missing) -> None:
        """It was published."""
        self._raised[one.upload_id] = time.monotonic()


def is_part(info: ObjectInfo, buckets: Buckets) -> bool:
    """Whether an object is a part of a query file, which triggers nothing and has no end."""
    return info.bucket == buckets.queries and parse_query(info.key, museum="-", owner="-").kind == "part"
