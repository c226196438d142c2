"""Records of the hits that are shown, read side by side and remembered by their version."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from functions.catalogue.hits import ObjectId
from functions.catalogue.record import MAX_RECORD, BadRecord, Record, parse
from functions.errors import Reject
from functions.ports import ObjectStore
from functions.runtime.recent import Recent
from functions.runtime.tracing import carried

Wanted = tuple[ObjectId, str, str]
"""(object, key of its record, version)"""


THREADS = 16
"""As many as the S3 adapter keeps connections: with fewer, the last of four searches waits for a silent server longer than its
watchdog does."""


class RecordReader:
    """Reads records by key and version. 4096 records of 1 kB are 4 MB."""

    def __init__(self, store: ObjectStore, bucket: str, *, size: int = 4096, threads: int = THREADS) -> None:
        self._store = store
        self._bucket = bucket
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="records")
        self._known: Recent[tuple[str, str], Record] = Recent(size)

    def __call__(self, wanted: Sequence[Wanted]) -> dict[ObjectId, Record]:
        """The records that are there and can be read, by object."""
        found = {one[0]: self._known.get(one[1:]) for one in wanted}
        missing = [one for one in wanted if found[one[0]] is None and one[2]]
        found.update(zip((one[0] for one in missing), self._pool.map(carried(self._read), missing), strict=True))
        return {identity: record for identity, record in found.items() if record is not None}

    def _read(self, wanted: Wanted) -> Record | None:
        (museum, object_id), key, version = wanted
        try:
            stored = self._store.get(self._bucket, key, limit=MAX_RECORD)
            if stored is None:
                return None
            record = parse(stored.body, museum=museum, object_id=object_id)
        except BadRecord:
            return None
        except Reject as reject:  # somebody's record of 2 MB must not end everybody's searches
            if reject.code != "too-large":
                raise
            return None
        if stored.info.version == version:
            self._known.put((key, version), record)
        return record
