"""Comparing the query's photos with those of the first hits by their local features, within a time limit."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import count
from typing import Literal

from PIL import Image

from functions.catalogue.hits import ObjectHit, ObjectId
from functions.errors import Reject
from functions.events import QueryEmbedded
from functions.ports import ObjectStore
from functions.runtime.recent import Recent
from functions.runtime.tracing import carried
from functions.verify.features import MAX_BYTES, SIDE, BrokenFeatures, LocalFeatures, describe, key_of, pack, unpack
from functions.verify.match import Match, match
from functions.verify.order import compared, reordered

LIMIT = 0.25
"""Seconds after which a hit that is not compared yet keeps its place: 20 take 16 ms, 55 at a load of 19. With
0.08 the first query of a cold process on such a machine was not compared at all, and its result stays."""
DESCRIBED = 2
"""Photos of one query whose missing features are made from their display copy: the next query finds them."""
KNOWN = 256
"""Photos whose features a process remembers: 8 MB."""
DISPLAY = 1280
"""Longest side in pixels of the display copy that features are made from."""

Verified = tuple[list[ObjectHit], dict[ObjectId, Match]]
"""The hits in their new order, and what was found of those that match."""
Verify = Callable[[QueryEmbedded, Sequence[ObjectHit]], Verified]
"""Brings hits into the order that their local features speak for."""


def unverified(event: QueryEmbedded, hits: Sequence[ObjectHit]) -> Verified:
    """The hits as they are: what ``MUSEUM_RERANK=off`` means."""
    return list(hits), {}


def verifier_of(store: ObjectStore, derived: str, *, rerank: Literal["on", "off"]) -> Verify:
    """What the setting ``MUSEUM_RERANK`` says."""
    return Verifier(store, derived) if rerank == "on" else unverified


class Verifier:
    """Compares hits with the query's photos. Two threads: OpenCV and numpy let go of the interpreter while they compute."""

    def __init__(self, store: ObjectStore, derived: str, *, limit: float = LIMIT, threads: int = 2) -> None:
        self._store = store
        self._derived = derived
        self._limit = limit
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="verify")
        self._known: Recent[str, LocalFeatures] = Recent(KNOWN)

    def __call__(self, event: QueryEmbedded, hits: Sequence[ObjectHit]) -> Verified:
        """The hits in their new order. What is not compared in time keeps its place."""
        deadline = time.monotonic() + self._limit
        spare = count()
        asked = {number: self._read(event.images[number].features) for number in {hit.query_image for hit in compared(hits)}}

        def verify(hit: ObjectHit) -> Match | None:
            query = asked[hit.query_image]
            if query is None or time.monotonic() > deadline:
                return None
            candidate = self._read(key_of(hit.row.sha256)) or (self._made(hit.row.sha256) if next(spare) < DESCRIBED else None)
            return match(query, candidate) if candidate is not None else None

        work = carried(verify)
        running = {hit.object: self._pool.submit(work, hit) for hit in compared(hits)}
        done, late = wait(running.values(), timeout=max(0.0, deadline - time.monotonic()))
        for one in late:
            one.cancel()
        matches = {identity: found for identity, one in running.items() if one in done and (found := one.result()) is not None}
        return reordered(hits, matches), matches

    def _read(self, key: str) -> LocalFeatures | None:
        """Features, remembered or stored; ``None`` where there are none that can be read. An older event names none."""
        known = self._known.get(key)
        if known is not None or not key:
            return known
        try:
            stored = self._store.get(self._derived, key, limit=MAX_BYTES)
            features = unpack(stored.body) if stored is not None else None
        except BrokenFeatures:
            return None
        except Reject as reject:
            if reject.code != "too-large":
                raise
            return None
        if features is not None:
            self._known.put(key, features)
        return features

    def _made(self, sha256: str) -> LocalFeatures | None:
        """The features of a photo that was prepared before there were any, from its display copy; stored for the next query."""
        copy = self._store.get(self._derived, f"{sha256}/display-{DISPLAY}.jpg")
        if copy is None:
            return None
        with Image.open(io.BytesIO(copy.body)) as picture:
            picture.draft("L", (2 * SIDE, 2 * SIDE))
            features = describe(picture)
        self._store.put(self._derived, key_of(sha256), pack(features), content_type="application/octet-stream")
        self._known.put(key_of(sha256), features)
        return features
