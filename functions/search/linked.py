"""Cards that became a record: what a museum has twice, as a draft and as its own system sent it back, is one object."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from functions.catalogue.draft import PREFIX, Draft, card_key
from functions.catalogue.handle import object_named
from functions.catalogue.hits import Became, ObjectId
from functions.catalogue.keys import record_key
from functions.decoding import decoded
from functions.ports import ObjectStore
from functions.runtime.settings import Buckets
from functions.runtime.tracing import carried
from functions.search.records import THREADS


class LinkReader:
    """Reads which cards are linked to a record that is there. Imported objects cost nothing."""

    def __init__(self, store: ObjectStore, buckets: Buckets, *, threads: int = THREADS) -> None:
        self._store = store
        self._buckets = buckets
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="linked")

    def __call__(self, objects: Iterable[ObjectId]) -> dict[ObjectId, Became]:
        """What each linked card of these became."""
        cards = [one for one in objects if one[1].startswith(PREFIX)]
        found = zip(cards, self._pool.map(carried(self._read), cards), strict=True) if cards else ()
        return {card: became for card, became in found if became is not None}

    def _read(self, card: ObjectId) -> Became | None:
        stored = self._store.get(self._buckets.state, card_key(*card))
        if stored is None:
            return None
        try:
            handle = decoded(stored.body, Draft).linked_to
        except msgspec.DecodeError:
            return None
        became = object_named(handle) if handle else None
        if became is None or became[0] != card[0]:
            return None
        record = self._store.head(self._buckets.catalogue, record_key(*became))
        return Became(object=became, record_version=record.version) if record else None
