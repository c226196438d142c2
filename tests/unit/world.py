"""The whole pipeline in memory: the real handlers over in-memory ports, and a queue that a test can duplicate and reorder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import md5, sha256
from typing import Any

import numpy as np

from functions import events, pipeline
from functions.adapters.memory import MemoryIndex, MemoryStore
from functions.bucket_events import Change, notification
from functions.catalogue.keys import photo_key, record_key
from functions.embed import handler as embed
from functions.embed.vectors import VectorCache
from functions.errors import Reject
from functions.events import BucketNotified, PreparedImage
from functions.finish import handler as finish
from functions.index import handler as index
from functions.index.listings import Listings
from functions.ingest import handler as ingest
from functions.live import LiveModel
from functions.runtime.carry import carried
from functions.runtime.envelope import Incoming
from functions.runtime.function import rejected
from functions.runtime.settings import Buckets
from functions.search import collection
from functions.search import handler as search
from functions.search.linked import LinkReader
from functions.search.records import RecordReader
from functions.search.verification import unverified

BUCKETS = Buckets()
FINGERPRINT = "f" * 64


class LetterEncoder:
    """A model that sees one value: pictures of the same value are the same, near values near."""

    def __init__(self) -> None:
        self.runs = 0
        self.serves = {FINGERPRINT}

    def encode(self, pixels: Any, *, fingerprint: str, lane: str = "bulk") -> Any:
        """Unit vectors on a quarter circle."""
        assert fingerprint in self.serves
        self.runs += len(pixels)
        angles = pixels[:, 0, 0, 0].astype(np.float32) / 255 * np.pi / 2
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def trace_of(event: BucketNotified) -> str:
    """The trace that the runtime begins for a notification, which has none."""
    return md5(repr(event).encode(), usedforsecurity=False).hexdigest()


@dataclass
class World:
    """S3, Milvus and a queue, all in memory."""

    store: MemoryStore = field(default_factory=lambda: MemoryStore("queries", "catalogue", "derived", "results", "state"))
    rows: MemoryIndex = field(default_factory=MemoryIndex)
    encoder: LetterEncoder = field(default_factory=LetterEncoder)
    cache: VectorCache = field(default_factory=VectorCache)
    queue: list[tuple[str, Any]] = field(default_factory=list)
    announced: list[Any] = field(default_factory=list)
    sequence: int = 0
    live_fingerprint: str = FINGERPRINT
    listings: Listings = field(init=False)

    def __post_init__(self) -> None:
        self.listings = Listings(self.store)

    def put(self, bucket: str, key: str, body: bytes) -> str:
        """Upload, and have the bucket say so."""
        version = self.store.put(bucket, key, body, content_type="x/y")
        self.notify("created", bucket, key, version, len(body))
        return version

    def delete(self, bucket: str, key: str) -> None:
        """Delete, and have the bucket say so."""
        self.store.delete(bucket, key)
        self.notify("removed", bucket, key, "", 0)

    def notify(self, kind: Any, bucket: str, key: str, version: str, size: int) -> None:
        """The bucket's notification."""
        self.sequence += 1
        change = Change(kind=kind, bucket=bucket, key=key, version=version, size=size, sequencer=f"{self.sequence:032}")
        self.queue.append((BucketNotified.TYPE, BucketNotified(body=notification(change))))

    def add(self, object_id: str, value: int, name: str = "a.jpg", museum: str = "local", **record: str) -> str:
        """An object with one photo of a value."""
        self.put("catalogue", record_key(museum, object_id), json.dumps(record, ensure_ascii=False).encode())
        self.put("catalogue", photo_key(museum, object_id, name), bytes([value]))
        return photo_key(museum, object_id, name)

    def query(self, value: int, name: str = "q.jpg") -> str:
        """A query's id."""
        key = f"local/someone/{self.sequence}/{name}"
        return events.upload_id("queries", key, self.put("queries", key, bytes([value])))

    def run(self, limit: int = 1000) -> None:
        """Handle everything that is queued, and what comes of it."""
        while self.queue:
            limit -= 1
            assert limit > 0, "the queue never empties"
            self.step()

    def step(self, place: int = 0) -> None:
        """Handle one queued event."""
        kind, event = self.queue.pop(place)
        step = next(step for step in pipeline.STEPS if kind in step.consumes)
        self.handle(step.name, event)

    def die(self, step: str, reason: str, event: dict[str, Any]) -> None:
        """The trigger gives up a delivery, and tells finish; ``event`` is its structured form."""
        dead = events.DeliveryDead(step=step, reason=reason, attempts=1, event=event)
        self.queue.append((events.DeliveryDead.TYPE, dead))

    def handle(self, step: str, event: Any) -> None:
        """One function on one event."""
        handlers: dict[str, Callable[[Any], Any]] = {
            "ingest": lambda e: ingest.ingest(
                e, store=self.store, buckets=BUCKETS, museum="local", owner="local", live=lambda: self.live_fingerprint
            ),
            "preprocess": self.preprocess,
            "embed": lambda e: embed.embed(
                e, store=self.store, derived="derived", encoder=self.encoder, live=self.live, cache=self.cache
            ),
            "index": lambda e: index.index(
                e, store=self.store, rows=self.rows, listings=self.listings, buckets=BUCKETS,
                collections=lambda: index.known(self.rows, self.live_fingerprint),
            ),
            "search": lambda e: search.search(
                e, store=self.store, rows=self.rows, records=RecordReader(self.store, "catalogue"), results="results",
                linked=LinkReader(self.store, BUCKETS),
                verify=unverified, live=lambda: self.live_fingerprint,
                collection=lambda fingerprint: collection.read(fingerprint, store=self.store, rows=self.rows, bucket="state"),
            ),
            "finish": lambda e: finish.finish(e, store=self.store, buckets=BUCKETS, museum="local", owner="local"),
        }  # fmt: skip
        try:
            reply = handlers[step](event)
        except Reject as reject:
            incoming = Incoming(id="notification-1", type=event.TYPE, lane="interactive", traceparent="", event=event)
            reply = rejected(step, incoming, reject)
        for made in reply if isinstance(reply, list) else [reply]:
            following = pipeline.consumer_of(made.TYPE, emitted_by=step)
            sent = replace(made, trace=made.trace or trace_of(event)) if isinstance(event, BucketNotified) else made
            self.announced.append(sent) if following is None else self.queue.append((sent.TYPE, sent))

    def preprocess(self, event: Any) -> Any:
        """Preprocessing without pictures: the photo is its first byte."""
        images = []
        for image in event.images:
            found = self.store.get(image.bucket, image.key)
            if found is None:
                raise Reject("gone", "gone")
            if found.info.version != image.version:
                raise Reject("superseded", "superseded")
            digest = sha256(found.body).hexdigest()
            name = f"{digest}/pixels.npy"
            from functions.preprocess.handler import npy

            self.store.put("derived", name, npy(np.full((2, 2, 3), found.body[0], np.uint8)), content_type="x/y")
            images.append(
                PreparedImage(
                    bucket=image.bucket, key=image.key, version=image.version, sha256=digest, width=2, height=2,
                    format="TEST", preprocessing="test", pixels=name, display=f"{digest}/display-",
                )
            )  # fmt: skip
        return events.ImagePreprocessed(**carried(event), images=tuple(images), region=event.region, ask=event.ask)

    def live(self) -> LiveModel:
        """The live model."""
        return LiveModel(model="test", fingerprint=self.live_fingerprint, preprocessing="test")

    def unreadable(self) -> list[dict[str, Any]]:
        """What was kept because it names no upload."""
        found = [self.store.get("state", info.key) for info in self.store.list("state", "unreadable/")]
        return [json.loads(one.body) for one in found if one is not None]

    def result(self, query_id: str) -> dict[str, Any]:
        """A stored result."""
        found = self.store.get("results", f"{query_id}.json")
        assert found is not None, f"no result {query_id}"
        data: dict[str, Any] = json.loads(found.body)
        return data

    def hits(self, value: int = 10) -> list[str]:
        """The object ids that a search for a value finds, best first."""
        query = self.query(value)
        self.run()
        return [hit["object_id"] for hit in self.result(query)["hits"]]
