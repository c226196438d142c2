"""What S3 holds without an outcome, and outcomes of what it holds no longer: the sweep that raises lost events again, and the
trigger of stores that send none."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low

from functions import outcome
from functions.bucket_events import Change
from functions.catalogue.keys import parse_catalogue, parse_query
from functions.ends import Ends
from functions.events import upload_id
from functions.ports import ObjectInfo, ObjectStore
from functions.runtime.settings import Buckets

MIN_AGE = 10.0
"""Seconds after which an upload without an outcome is raised again."""
AGAIN = 300.0
"""Seconds before the same upload is raised once more: behind a long queue it has been raised enough."""
ASK_EVERY = 60.0
"""Seconds between looks for queries, while the catalogue is looked at."""
AT_ONCE = 100_000
"""Uploads that one patient look raises, the oldest: more are not raised within a minute, and the next look has the rest."""


Seen = Callable[[str], None]
"""Told of each object that is listed: its bucket."""


def unseen(_: str) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An upload that has not ended, or a removal that index has not seen."""

    upload_id: str
    change: Change


class Look:
    """A bucket compared with where its uploads end: by listings alone. The ends are listed first: what ends meanwhile is young.

    ``patient``: queues are in order, so while uploads end, only those that were overtaken are lost, and the later ones wait for
    their turn. Raised all the same, a long import would be decoded and embedded twice. The middle of what ended in the last 10 s
    is how far the work is; the latest would be a photo that a person saved, whose lane overtakes the import's. Records are not
    embedded, and overtake photos. What was ``raised`` says nothing of the bucket's own events, which there may be none of.
    """

    def __init__(
        self,
        listed: Iterator[ObjectInfo],
        ends: Iterator[ObjectInfo],
        raised: Container[str],
        *,
        now: float,
        patient: bool,
    ) -> None:
        self._listed = listed
        self._ends = ends
        self._raised = raised
        self._until = now - MIN_AGE
        self._patient = patient
        self.overdue: list[ObjectInfo] = []
        """Uploads older than 10 s that have not ended, were not just raised, and do not wait behind work that goes on."""
        self.ended = Ends(since=self._until)
        """What was not met has ended, and the bucket no longer has it: removed, or overwritten."""

    def steps(self) -> Iterator[None]:
        """Look, object by object: between two the caller may do something else."""
        for info in self._ends:
            self.ended.add(info)
            yield
        most = AT_ONCE if self._patient else math.inf
        waiting = Oldest(most), Oldest(most)
        recent: tuple[list[float], list[float]] = [], []
        for info in self._listed:
            identity = identity_of(info)
            if self.ended.meet(identity):
                if identity in self.ended.recent and identity not in self._raised:
                    recent[is_record(info)].append(info.modified)
            elif info.modified < self._until and identity not in self._raised:
                waiting[is_record(info)].add(info)
            yield
        for old, times in zip(waiting, recent, strict=True):
            self.overdue += old.before(median_low(times) if times and self._patient else math.inf)


class Oldest:
    """The oldest objects of those that were added, so many at most."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._young: list[tuple[float, int, ObjectInfo]] = []  # the youngest first, as a heap has it
        self._count = 0

    def add(self, info: ObjectInfo) -> None:
        """One more."""
        self._count += 1
        entry = (-info.modified, -self._count, info)
        (heapq.heappush if len(self._young) < self._most else heapq.heappushpop)(self._young, entry)

    def before(self, until: float) -> list[ObjectInfo]:
        """Those older than that, in seconds since the epoch; the oldest first."""
        return [info for _, _, info in sorted(self._young, reverse=True) if info.modified < until]


def is_record(info: ObjectInfo) -> bool:
    """Whether an object is an object's record."""
    return parse_catalogue(info.key, museum="-").kind == "record"


def identity_of(info: ObjectInfo) -> str:
    """The upload that an object is of."""
    return upload_id(info.bucket, info.key, info.version)


def created(info: ObjectInfo, cause: str = "") -> Missing:
    """The upload of an object."""
    change = Change(
        kind="created",
        bucket=info.bucket,
        key=info.key,
        version=info.version,
        size=info.size,
        sequencer=cause,
        metadata=info.metadata,
    )
    return Missing(upload_id=identity_of(info), change=change)


def removed(
    store: ObjectStore, buckets: Buckets, identity: str, *, statuses: Sequence[outcome.Status] = ("indexed",), cause: str = ""
) -> Missing | None:
    """The removal of what an outcome of one of these statuses tells of; ``None`` where the object is there, overwritten."""
    found = outcome.read(store, buckets.state, identity)
    if found is None or found.status not in statuses or found.bucket != buckets.catalogue:
        return None
    if store.head(found.bucket, found.key) is not None:
        return None
    change = Change(kind="removed", bucket=found.bucket, key=found.key, version=found.version, size=0, sequencer=cause)
    return Missing(upload_id=identity, change=change)


def everything(store: ObjectStore, buckets: Buckets) -> Iterator[Missing]:
    """Every catalogue photo and record: raised again, a lost index is made anew from their outcomes, without embedding.

    Then every removal, of which an index that came back from a backup may know nothing.
    """
    cause = f"{time.time_ns():032X}"  # a second rebuild within two minutes is not a copy of the first
    ended = Ends(store.list(buckets.state, outcome.PREFIX))
    for info in store.list(buckets.catalogue):
        ended.meet(identity_of(info))
        yield created(info, cause)
    for identity in ended.unmet():
        if lost := removed(store, buckets, identity, statuses=("indexed", "superseded"), cause=cause):
            yield lost


class Sweep:
    """Remembers what it has raised, so that a long queue is not made longer each minute, and what it need not read again.

    A catalogue of millions takes long to list: queries, for which somebody waits, are looked at meanwhile too.
    """

    def __init__(self, store: ObjectStore, buckets: Buckets, seen: Seen = unseen) -> None:
        self._store = store
        self._buckets = buckets
        self._seen = seen
        self._raised: dict[str, float] = {}
        self._settled: set[str] = set()
        self._asked = -math.inf

    def due(self, *, now: float | None = None, patient: bool = False) -> Iterator[Missing]:
        """What to raise now: first what somebody may wait for. ``now`` is the store's clock.

        ``patient`` leaves in peace what of the catalogue waits behind an import that goes on; never a query, for which a person
        waits.
        """
        at = time.time() if now is None else now
        yield from self._queries(at)
        ends = self._listed(self._buckets.state, outcome.PREFIX)
        look = Look(self._listed(self._buckets.catalogue), ends, self._raised, now=at, patient=patient)
        for _ in look.steps():
            if time.monotonic() - self._asked > ASK_EVERY:
                yield from self._queries(time.time())
        yield from self._overdue(look.overdue)
        yield from self._removals(look.ended)

    def _queries(self, now: float) -> Iterator[Missing]:
        """Queries without a result. A part of one triggers nothing and has no end."""
        for identity in [identity for identity, at in self._raised.items() if time.monotonic() - at >= AGAIN]:
            del self._raised[identity]
        listed = (info for info in self._listed(self._buckets.queries) if not is_part(info))
        look = Look(listed, self._listed(self._buckets.results), self._raised, now=now, patient=False)
        for _ in look.steps():
            pass
        self._asked = time.monotonic()
        yield from self._overdue(look.overdue)

    def _listed(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """A bucket's objects, told of."""
        for info in self._store.list(bucket, prefix):
            self._seen(bucket)
            yield info

    def _overdue(self, listed: list[ObjectInfo]) -> Iterator[Missing]:
        """What is still there, with its lane, which a listing does not say."""
        for one in listed:
            info = self._store.head(one.bucket, one.key)
            if info is not None and info.version == one.version:
                yield created(info)

    def _removals(self, ended: Ends) -> Iterator[Missing]:
        """Removals that index has not seen: it says in the outcome that it has. An outcome is read until nothing is to do."""
        settled = set()
        for identity in ended.unmet():
            if identity in self._raised:
                continue
            if identity not in self._settled:
                if lost := removed(self._store, self._buckets, identity):
                    yield lost
                    continue
                self._settled.add(identity)  # a look that S3 breaks off has learned as much
            settled.add(identity)
        self._settled = settled

    def raised(self, one: Missing) -> None:
        """It was published."""
        self._raised[one.upload_id] = time.monotonic()


def is_part(info: ObjectInfo) -> bool:
    """Whether an object of the queries bucket is a part of a query file."""
    return parse_query(info.key, museum="-", owner="-").kind == "part"
