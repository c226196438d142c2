"""Records as a museum may see them, and what has become of a stored result's hits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from functions.catalogue.hits import SHOWN
from functions.catalogue.keys import record_key
from functions.catalogue.record import BadRecord, Record, parse, visible
from functions.gateway.paging import AT_ONCE
from functions.ports import ObjectStore
from functions.results import Hit, Result
from functions.runtime.recent import Recent
from functions.runtime.settings import Buckets

FRESH = 60.0
"""Seconds for which what was read of an object is still true: it may be unpublished or erased after that."""
REMEMBERED = 20_000
"""Objects of other museums of which it is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What has become of a hit."""

    record: dict[str, str] | None
    """The fields that the viewer may see now."""
    visible: bool
    """Whether the object may be seen at all: it was unpublished or erased else."""
    pictured: bool
    """Whether its photo may be seen."""


class Published:
    """Whether objects of other museums are published, each remembered for :data:`FRESH` seconds. Thread-safe."""

    def __init__(self, store: ObjectStore, buckets: Buckets) -> None:
        self._store = store
        self._buckets = buckets
        self._known: Recent[tuple[str, str], tuple[float, bool]] = Recent(REMEMBERED)

    def __call__(self, museum: str, object_id: str) -> bool:
        """Whether anybody may see it. Blocks where it is not known."""
        known = self._known.get((museum, object_id))
        if known is not None and time.monotonic() - known[0] < FRESH:
            return known[1]
        there = read_record(self._store, self._buckets, museum, object_id, "") is not None
        self.keep(museum, object_id, there)
        return there

    def keep(self, museum: str, object_id: str, there: bool) -> None:
        """Somebody has just looked."""
        self._known.put((museum, object_id), (time.monotonic(), there))


def read_record(store: ObjectStore, buckets: Buckets, museum: str, object_id: str, viewer: str) -> Record | None:
    """The fields of an object that a museum may see; ``None`` where there are none."""
    found = store.get(buckets.catalogue, record_key(museum, object_id))
    if found is None:
        return None
    try:
        return visible(parse(found.body, museum=museum, object_id=object_id), viewer)
    except BadRecord:
        return None


def record_of(hit: Hit, viewer: str, store: ObjectStore, buckets: Buckets) -> dict[str, str] | None:
    """A hit's record: search read those of the first ten, and who wants more waits for more."""
    if hit.rank <= SHOWN:
        return hit.record
    seen = read_record(store, buckets, hit.museum, hit.object_id, viewer)
    return dict(seen.fields) if seen else None


def hits_now(result: Result, viewer: str, published: Published, store: ObjectStore, buckets: Buckets, *, hits: int) -> list[Now]:
    """Of the first ``hits``, and of the first ten at least, since class and draft are made from them.

    Search has just read the first ten of a fresh result: these cost nothing. All else is read again.
    """
    fresh = result.completed_at >= time.time() - FRESH

    def look(hit: Hit) -> Now:
        return as_found(hit, viewer) if fresh and hit.rank <= SHOWN else again(hit, viewer, store, buckets)

    wanted = result.hits[: max(hits, SHOWN)]
    if fresh and len(wanted) <= SHOWN:
        found = [look(hit) for hit in wanted]
    else:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(look, wanted))
    for hit, now in zip(wanted, found, strict=True):
        if hit.museum != viewer:
            published.keep(hit.museum, hit.object_id, now.visible)
    return found


def as_found(hit: Hit, viewer: str) -> Now:
    """As search has just read it: what another museum shows has a record."""
    seen = hit.museum == viewer or hit.record is not None
    return Now(record=hit.record, visible=seen, pictured=seen)


def again(hit: Hit, viewer: str, store: ObjectStore, buckets: Buckets) -> Now:
    """As it is now. An own object needs no record to be seen, only its photo."""
    seen = read_record(store, buckets, hit.museum, hit.object_id, viewer)
    there = (seen is not None or hit.museum == viewer) and store.head(buckets.catalogue, hit.image) is not None
    return Now(record=dict(seen.fields) if seen else None, visible=seen is not None or there, pictured=there)


def gone(hits: Sequence[Hit], now: Sequence[Now]) -> set[tuple[str, str]]:
    """The objects, of those that were looked at, whose record may not be seen any more: (museum, object_id)."""
    return {(hit.museum, hit.object_id) for hit, one in zip(hits, now, strict=False) if one.record is None}
