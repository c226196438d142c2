"""What the rows of an object need of its record, remembered by the record's version."""

from __future__ import annotations

from functions.catalogue.record import Listing, listing_of
from functions.ports import ObjectStore
from functions.runtime.recent import Recent


class Listings:
    """Reads records. An object's record and its photos come within seconds of each other, and are indexed one by one."""

    def __init__(self, store: ObjectStore, *, size: int = 4096) -> None:
        self._store = store
        self._known: Recent[tuple[str, str, str], Listing] = Recent(size)

    def __call__(self, bucket: str, key: str, version: str) -> Listing:
        """The listing of a record; of one that is overwritten meanwhile, the newer. Without a record: no class, not public."""
        if not version:
            return Listing()
        known = self._known.get((bucket, key, version))
        if known is not None:
            return known
        found = self._store.get(bucket, key)
        listed = listing_of(found.body if found else None)
        if found is not None and found.info.version == version:
            self._known.put((bucket, key, version), listed)
        return listed
