"""Uploads that go on while parts die, and a look at what became of each."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from functions import outcome, results
from functions.adapters.s3 import S3Store
from functions.bucket_events import Change, notification
from functions.errors import MuseumError
from functions.events import Lane, upload_id
from infra.local.stack import Stack
from tests.integration.faults.ledger import LANE_OF, QUERIES, End, Kind, Report, Upload, report
from tests.integration.faults.make import INTERACTIVE, OBJECTS, Maker
from tests.integration.faults.observe import Listener
from tests.integration.faults.wait import until

UPLOADERS = 3
LOOK_EVERY = 2.0
"""Seconds between looks at an upload whose end nobody announced."""


class Load:
    """A client of a running stack: it uploads, listens, looks, and keeps the ledger. Use as a context manager."""

    def __init__(self, stack: Stack, seed: int) -> None:
        environment = stack.environment()
        self._settings = stack.settings()
        self._store = S3Store(self._settings)
        self._maker = Maker(self._settings, seed)
        self._listener = Listener(environment["MUSEUM_AMQP_URL"], environment["MUSEUM_EVENTS_EXCHANGE"])
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._uploads: list[Upload] = []
        self._looked: dict[str, float] = {}
        self._keep = 0
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._looking, name="looking", daemon=True)]
        self._threads += [threading.Thread(target=self._feeding, name=f"uploads-{n}", daemon=True) for n in range(UPLOADERS)]

    def __enter__(self) -> Load:
        self._listener.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(30)
        self._listener.__exit__(kind, error, trace)

    def catalogue(self) -> None:
        """Put the objects that queries look for into the catalogue, and wait until they are findable."""
        made = [self._maker.known(number) for number in range(OBJECTS)]
        with ThreadPoolExecutor(UPLOADERS) as pool:
            assert all(pool.map(lambda one: self._put(*one), made)), "S3 took not all of the catalogue"
        until(lambda: not self.in_flight, 90, "the catalogue is findable")

    def send(self, count: int) -> None:
        """Upload queries, one after the other, until S3 has acknowledged so many."""
        for _ in range(count):
            until(lambda: self._put(*self._made_query()), 60, "S3 acknowledges an upload")

    def keep(self, count: int) -> None:
        """From now on upload whenever fewer than ``count`` are on their way; 0 ends that."""
        self._keep = count

    @property
    def in_flight(self) -> int:
        """Acknowledged uploads whose end was not seen yet."""
        with self._lock:
            return sum(upload.open for upload in self._uploads)

    @property
    def acknowledged(self) -> int:
        """Uploads that S3 acknowledged."""
        with self._lock:
            return sum(upload.acknowledged for upload in self._uploads)

    @property
    def ended(self) -> int:
        """Uploads whose end was seen."""
        with self._lock:
            return sum(upload.end is not None for upload in self._uploads)

    def a_notification(self, kinds: Collection[Kind], lane: Lane) -> bytes:
        """The bucket notification of an upload of one of these kinds that S3 acknowledged, rather one that has not ended."""
        with self._lock:
            sent = [one for one in self._uploads if one.acknowledged]
        fitting = [one for one in sent if one.kind in kinds and LANE_OF[one.kind] == lane] or sent
        upload = self._rng.choice([one for one in fitting if one.open] or fitting)
        change = Change(
            kind="created", bucket=upload.bucket, key=upload.key, version=upload.version, size=upload.size, sequencer="",
            metadata=INTERACTIVE if upload.kind == "catalogue" else {},
        )  # fmt: skip
        return json.dumps(notification(change)).encode()

    def report(self) -> Report:
        """The ledger as it is now."""
        buckets = self._settings.buckets
        stored = {info.key.removesuffix(".json"): info.version for info in self._store.list(buckets.results)}
        there = {upload_id(info.bucket, info.key, info.version) for info in self._store.list(buckets.queries)}
        heard = self._listener.heard()
        with self._lock:
            return report(self._uploads, stored=stored, there=there, announced=heard)

    def _made_query(self) -> tuple[Upload, bytes]:
        with self._lock:
            return self._maker.query()

    def _put(self, upload: Upload, body: bytes) -> bool:
        """One PUT; whether S3 acknowledged it."""
        with self._lock:
            self._uploads.append(upload)
        metadata = INTERACTIVE if upload.kind == "catalogue" else {}
        try:
            version = self._store.put(upload.bucket, upload.key, body, content_type="image/jpeg", metadata=metadata)
        except MuseumError:
            return False
        assert upload_id(upload.bucket, upload.key, version) == upload.upload_id, f"S3 gave {upload.key} the version {version}"
        with self._lock:
            upload.sent_at = time.monotonic()
            upload.acknowledged = True
        return True

    def _feeding(self) -> None:
        while not self._end.is_set():
            if self.in_flight >= self._keep:
                self._end.wait(0.05)
                continue
            with self._lock:
                made = self._maker.any(len(self._uploads))
            if not self._put(*made):
                self._end.wait(0.3)

    def _looking(self) -> None:
        while not self._end.is_set():
            with self._lock:
                waiting = [upload for upload in self._uploads if upload.open]
            for upload in waiting:
                if self._due(upload) and (end := self._end_of(upload)) is not None:
                    with self._lock:
                        upload.end, upload.ended_at = end, time.monotonic()
            self._end.wait(0.05)

    def _due(self, upload: Upload) -> bool:
        """Look when it is announced, and every two seconds should the announcement be missed."""
        told, now = self._listener.told_of(upload.upload_id), time.monotonic()
        if now - self._looked.get(upload.upload_id, upload.sent_at) < (0.2 if told else LOOK_EVERY):
            return False
        self._looked[upload.upload_id] = now
        return True

    def _end_of(self, upload: Upload) -> End | None:
        buckets = self._settings.buckets
        try:
            if upload.kind not in QUERIES:
                ended = outcome.read(self._store, buckets.state, upload.upload_id)
                return End(status=ended.status, reason=ended.reason, version="") if ended else None
            stored = self._store.get(buckets.results, results.key_of(upload.upload_id))
        except MuseumError:
            return None
        if stored is None:
            return None
        result = results.decode(stored.body)
        first = result.hits[0].object_id if result.hits else ""
        return End(status=result.status, reason=result.reason or "", version=stored.info.version, first=first)
