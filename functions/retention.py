"""Queries go by themselves after some days: photos, results, and all that was made of them and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from functions import copies
from functions.catalogue.keys import parse_query
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


def expired(store: ObjectStore, buckets: Buckets, *, now: float, days: float) -> Iterator[Expired]:
    """Queries whose newest upload is older than ``days``. One listing of the bucket.

    Keys of another shape, which belong to nobody's query, are left to whoever put them there.
    """

    def query(info: ObjectInfo) -> tuple[str, str, str]:
        key = parse_query(info.key, museum="", owner="")
        return key.museum, key.owner, key.random

    for (museum, owner, identity), listed in groupby(store.list(buckets.queries), key=query):
        newest = max(info.modified for info in listed)
        if identity and newest < now - days * DAY:
            yield Expired(museum=museum, owner=owner, id=identity)


def forget(store: ObjectStore, buckets: Buckets, *, now: float, days: float) -> int:
    """Erase them, and the copies of every photo that was erased and that nobody else has. Returns how many queries went."""
    found = list(expired(store, buckets, now=now, days=days))  # erasing while listing would skip some
    for query in found:
        Queries(store, buckets, query.museum, query.owner).erase(query.id)
    copies.clear(store, buckets)
    return len(found)
