"""Queries go by themselves after some days: photos, results, and all that was made of them and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from functions.catalogue.keys import parse_query
from functions.copies import Others
from functions.gateway.queries import Queries
from functions.ports import ObjectInfo, ObjectStore
from functions.runtime.settings import Buckets

DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A query that has been kept long enough."""

    museum: str
    owner: str
    id: str
    uploads: tuple[ObjectInfo, ...]


def expired(store: ObjectStore, buckets: Buckets, *, now: float, days: float) -> Iterator[Expired]:
    """Queries whose newest upload is older than ``days``. One listing of the bucket.

    Keys of another shape, which belong to nobody's query, are left to whoever put them there.
    """

    def query(info: ObjectInfo) -> tuple[str, str, str]:
        key = parse_query(info.key, museum="", owner="")
        return key.museum, key.owner, key.random

    for (museum, owner, identity), listed in groupby(store.list(buckets.queries), key=query):
        uploads = tuple(listed)
        if identity and max(info.modified for info in uploads) < now - days * DAY:
            yield Expired(museum=museum, owner=owner, id=identity, uploads=uploads)


def forget(store: ObjectStore, buckets: Buckets, *, now: float, days: float) -> int:
    """Erase them. Returns how many."""
    found = list(expired(store, buckets, now=now, days=days))  # erasing while listing would skip some
    others = Others(store, buckets, [info for query in found for info in query.uploads])
    for query in found:
        Queries(store, buckets, query.museum, query.owner).erase(query.id, others)
    return len(found)
