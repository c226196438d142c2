"""Queries go by themselves after some days: photos, results, and all that was made of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from functions.catalogue.keys import parse_query
from functions.gateway.queries import Queries
from functions.ports import ObjectInfo, ObjectStore
from functions.runtime.settings import Buckets

DAY = 86_400.0


def expired(store: ObjectStore, buckets: Buckets, *, now: float, days: float) -> Iterator[tuple[str, str, str]]:
    """(museum, owner, id) of queries whose newest upload is older than ``days``. One listing of the bucket.

    Keys of another shape, which belong to nobody's query, are left to whoever put them there.
    """

    def query(info: ObjectInfo) -> tuple[str, str, str]:
        key = parse_query(info.key, museum="", owner="")
        return key.museum, key.owner, key.random

    for (museum, owner, identity), uploads in groupby(store.list(buckets.queries), key=query):
        newest = max(info.modified for info in uploads)
        if identity and newest < now - days * DAY:
            yield museum, owner, identity


def forget(store: ObjectStore, buckets: Buckets, *, now: float, days: float) -> int:
    """Erase them. Returns how many."""
    found = list(expired(store, buckets, now=now, days=days))  # erasing while listing would skip some
    for museum, owner, identity in found:
        Queries(store, buckets, museum, owner).erase(identity)
    return len(found)
