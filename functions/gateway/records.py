"""Records as a museum may see them."""

from __future__ import annotations

from functions.catalogue.hits import SHOWN
from functions.catalogue.keys import record_key
from functions.catalogue.record import BadRecord, Record, parse, visible
from functions.ports import ObjectStore
from functions.results import Hit
from functions.runtime.settings import Buckets


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
