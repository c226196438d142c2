"""What S3 holds without an outcome: the sweep that raises a lost event again, and the trigger of stores that send none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from functions import outcome
from functions.bucket_events import Change
from functions.catalogue.keys import parse_query
from functions.events import upload_id
from functions.ports import ObjectInfo, ObjectStore
from functions.runtime.settings import Buckets

MIN_AGE = 10.0
"""Seconds after which an upload without an outcome is raised again."""
AGAIN = 300.0
"""Seconds before the same upload is raised once more: behind a long queue it has been raised enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An upload without an outcome."""

    upload_id: str
    change: Change


def missing(store: ObjectStore, buckets: Buckets, *, now: float | None = None) -> Iterator[Missing]:
    """Uploads older than 10 s that have neither result nor outcome."""
    before = (time.time() if now is None else now) - MIN_AGE
    results = {info.key.removesuffix(".json") for info in store.list(buckets.results)}
    for info in store.list(buckets.queries):
        if parse_query(info.key, museum="-", owner="-").kind != "part":
            yield from _unless_known(info, results, before)
    outcomes = {info.key.rpartition("/")[2].removesuffix(".json") for info in store.list(buckets.state, outcome.PREFIX)}
    for info in store.list(buckets.catalogue):
        yield from _unless_known(info, outcomes, before)


def everything(store: ObjectStore, buckets: Buckets) -> Iterator[Missing]:
    """Every catalogue photo and record: raised again, a lost index is made anew from their outcomes, without embedding."""
    cause = f"{time.time_ns():032X}"  # a second rebuild within two minutes is not a copy of the first
    for info in store.list(buckets.catalogue):
        yield from _unless_known(info, set(), time.time() + 1, cause)


def _unless_known(info: ObjectInfo, known: set[str], before: float, sequencer: str = "") -> Iterator[Missing]:
    identity = upload_id(info.bucket, info.key, info.version)
    if identity not in known and info.modified < before:
        change = Change(
            kind="created", bucket=info.bucket, key=info.key, version=info.version, size=info.size, sequencer=sequencer
        )
        yield Missing(upload_id=identity, change=change)


class Sweep:
    """Remembers what it has raised, so that a long queue is not made longer each minute."""

    def __init__(self, store: ObjectStore, buckets: Buckets) -> None:
        self._store = store
        self._buckets = buckets
        self._raised: dict[str, float] = {}

    def due(self) -> list[Missing]:
        """What to raise now."""
        now = time.monotonic()
        self._raised = {identity: at for identity, at in self._raised.items() if now - at < AGAIN}
        found = [one for one in missing(self._store, self._buckets) if one.upload_id not in self._raised]
        return found

    def raised(self, one: Missing) -> None:
        """It was published."""
        self._raised[one.upload_id] = time.monotonic()
