"""Queries go by themselves after some days: photos, results, and all that was made of them and of nothing else.

What an erased query leaves behind goes sooner: a step that had it in its hands stores a result of what is there no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from functions import copies
from functions.catalogue.keys import parse_query
from functions.ends import Ends
from functions.gateway.queries import ASKED, Queries
from functions.ports import ObjectInfo, ObjectStore
from functions.reconcile import identity_of
from functions.results import key_of
from functions.runtime.settings import Buckets

DAY = 86_400.0
LEFT = 60.0
"""Seconds for which a result may have no upload: a listing of uploads takes its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A query that has been kept long enough."""

    museum: str
    owner: str
    id: str


def expired(store: ObjectStore, buckets: Buckets, *, now: float, days: float) -> Iterator[Expired]:
    """Queries whose newest upload is older than ``days``, and those that old whose forms were never used.

    One listing of the bucket, and one of what was asked; of what is that old there, whether it was used. Keys of another shape,
    which belong to nobody's query, are left to whoever put them there.
    """

    def query(info: ObjectInfo) -> tuple[str, str, str]:
        key = parse_query(info.key, museum="", owner="")
        return key.museum, key.owner, key.random

    for (museum, owner, identity), listed in groupby(store.list(buckets.queries), key=query):
        newest = max(info.modified for info in listed)
        if identity and newest < now - days * DAY:
            yield Expired(museum=museum, owner=owner, id=identity)
    for info in store.list(buckets.state, ASKED):
        name = info.key.removeprefix(ASKED).removesuffix(".json")
        if info.modified < now - days * DAY and name.count("/") == 2 and not any(store.list(buckets.queries, f"{name}/")):
            museum, owner, identity = name.split("/")
            yield Expired(museum=museum, owner=owner, id=identity)


def left(store: ObjectStore, buckets: Buckets, *, now: float) -> list[str]:
    """Results, by their keys, whose upload is gone: it was erased while a step had it, or somebody else removed it.

    Results are listed first: what is uploaded and ends meanwhile is not among them.
    """
    ends = Ends(info for info in store.list(buckets.results) if info.modified < now - LEFT)
    for info in store.list(buckets.queries) if ends else ():
        ends.meet(identity_of(info))
    return [key_of(identity) for identity in ends.unmet()]


def forget(store: ObjectStore, buckets: Buckets, *, now: float, days: float) -> int:
    """Erase them, what erased ones left, and the copies of every photo that was erased and that nobody else has.

    Returns how many queries went.
    """
    found = list(expired(store, buckets, now=now, days=days))  # erasing while listing would skip some
    settle = 0.0 if days else copies.SETTLE  # what was given a day ago is in nobody's hands
    count = sum(Queries(store, buckets, query.museum, query.owner).erase(query.id, settle=settle) for query in found)
    for key in left(store, buckets, now=now):
        store.delete(buckets.results, key)
    copies.clear(store, buckets, now=now)
    return count
