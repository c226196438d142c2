"""What a handler may ask of the outside world. Each port has a real adapter, an in-memory twin,
and one contract suite in ``tests/contract`` that runs against both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from functions.events import Lane, Whose

if TYPE_CHECKING:  # a function without pixels or vectors starts 0.15 s sooner
    import numpy as np
    from numpy.typing import NDArray

Pixels: TypeAlias = "NDArray[np.uint8]"
"""uint8, shape (n, height, width, 3), RGB in sRGB: what an encoder takes."""

Vectors: TypeAlias = "NDArray[np.float32]"
"""float32, shape (n, dim), each row of unit length."""

Saliency: TypeAlias = "NDArray[np.float32]"
"""float32, shape (n, cells, cells), 0–1: how much each part of the square input belongs to the object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """One stored object as a listing or a HEAD tells it. ``version`` is versionId, or eTag without quotes."""

    bucket: str
    key: str
    version: str
    size: int
    modified: float
    """Seconds since the epoch, the store's clock."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """User metadata, lower-case names without ``x-amz-meta-``. Empty in listings."""
    etag: str = ""
    """eTag without quotes: after a plain PUT the md5 of the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One stored object with its bytes."""

    info: ObjectInfo
    body: bytes


class ObjectStore(Protocol):
    """S3, as much of it as is needed.

    Every method raises ``Unavailable("s3", …)`` when the server refuses connections, times out, throttles
    or answers 5xx, and ``Retry`` for an answer that it cannot explain. A bucket that does not exist is
    ``Reject("unknown-bucket", …)``.
    """

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """The object's facts, or ``None`` where there is none."""

    def get(self, bucket: str, key: str, *, limit: int | None = None) -> StoredObject | None:
        """The object with its bytes, or ``None``. Larger than ``limit`` bytes: ``Reject("too-large", …)``,
        without reading the body."""

    def put(self, bucket: str, key: str, body: bytes, *, content_type: str, metadata: Mapping[str, str] = {}) -> str:
        """Store, replacing what is there. Returns the version. The client never adds or decodes anything in the key."""

    def create(self, bucket: str, key: str, body: bytes, *, content_type: str) -> bool:
        """Store if nothing is there (``If-None-Match: *``): the first writer wins. False where something is.

        Where the store ignores the condition, the adapter serialises within its own process and says so once
        in the log: weaker, since two processes could both win.
        """

    def replace(self, bucket: str, key: str, body: bytes, *, content_type: str, etag: str) -> bool:
        """Store if what is there has that eTag (``If-Match``): no change is lost. False where it has another, or nothing is.

        Where the store ignores the condition, the same as for :meth:`create`.
        """

    def honours_conditions(self) -> bool:
        """Whether conditions hold between processes too."""

    def delete(self, bucket: str, key: str) -> None:
        """Remove; removing what is not there is no error."""

    def list(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """Everything below a prefix, in key order, page by page; only what comes ``after`` that key where one is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """A presigned POST: the fields and then ``file`` go to the address as multipart/form-data."""

    url: str
    fields: Mapping[str, str]


class Forms(Protocol):
    """A store that lets somebody else upload one object."""

    def form(
        self, bucket: str, key: str, *, content_type: str, max_bytes: int, metadata: Mapping[str, str] = {}, seconds: int
    ) -> UploadForm:
        """For exactly that key, type and metadata, 1 to ``max_bytes`` bytes, and so many seconds: the store refuses all else."""


class Publishes(Protocol):
    """The trigger's outbox."""

    def publish(
        self,
        event_type: str,
        event_id: str,
        data: dict[str, Any],
        *,
        lane: str,
        source: str = ...,
        known: Mapping[str, str] = {},
    ) -> None:
        """Publish one event; returns once RabbitMQ has confirmed it. Raises ``Unavailable("outbox", …)`` else."""


class Socket(Protocol):
    """One connection to the trigger's ``/watch`` (:mod:`functions.trigger.watch` says what the frames are)."""

    async def send(self, frame: dict[str, Any]) -> None:
        """Send one. Raises ``Unavailable("trigger", …)``."""

    def frames(self) -> AsyncIterator[dict[str, Any]]:
        """What comes, until the connection ends."""


class Sockets(Protocol):
    """Where such connections are made."""

    def open(self) -> AbstractAsyncContextManager[Socket]:
        """A new one. Raises ``Unavailable("trigger", …)``."""


class Encoder(Protocol):
    """A neural network that maps pixels to unit vectors.

    Raises ``Unavailable("triton", …)`` when nothing answers, the queue is full, or what is served carries
    another fingerprint than the one asked for; ``Retry`` for NaN or a malformed answer.
    """

    def encode(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> Vectors:
        """Embed a batch. The interactive lane goes first where both wait."""

    def encode_with_saliency(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> tuple[Vectors, Saliency]:
        """Embed a batch, and say where in each picture the object is. Of models alone that know it (``LiveModel.saliency``)."""


UNKNOWN_YEAR = -100_000
"""Both years of an object that has none: before every year that a filter may ask for, so that no period finds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """One vector of one view of one image in the collection of its fingerprint."""

    id: str
    """sha256 hex of (bucket, key, view): :func:`functions.events.row_id`."""
    museum: str
    object_id: str
    class_code: int
    """typologyId of the State Catalogue, 0 where unknown."""
    public: bool
    status: str
    """``active``; anything else is not searched."""
    bucket: str
    key: str
    version: str
    view: str
    sha256: str
    """sha256 hex of the photo's bytes: where its display copies are."""
    record_version: str
    """Version of the record.json that the row was made from, empty where there is none."""
    year_from: int = UNKNOWN_YEAR
    year_to: int = UNKNOWN_YEAR
    """First and last year in which the object may have been made, negative before our era."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One row that is near a query vector, with its cosine, not rescaled."""

    row: IndexRow
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a searcher may see, rows of their own museum and public rows of all, and what of that they ask for.

    It acts inside the index, before the nearest are taken. Everything narrows: no scope shows an unpublished row of another
    museum. What is empty asks for nothing.
    """

    museum: str
    """The searcher's own."""
    whose: Whose = "all"
    classes: Sequence[int] = ()
    museums: Sequence[str] = ()
    period: tuple[int, int] | None = None
    """First and last year, each after :data:`UNKNOWN_YEAR`: rows whose years meet these."""
    exclude: tuple[str, str] | None = None
    """(museum, object_id) that is left out."""

    def admits(self, row: IndexRow) -> bool:
        """Whether a row may be found: what an index has to do, in Python."""
        own = row.museum == self.museum
        return (
            row.status == "active"
            and (own or row.public)
            and (self.whose == "all" or own == (self.whose == "mine"))
            and (not self.classes or row.class_code in self.classes)
            and (not self.museums or row.museum in self.museums)
            and (self.period is None or (row.year_from <= self.period[1] and row.year_to >= self.period[0]))
            and (row.museum, row.object_id) != self.exclude
        )


class VectorIndex(Protocol):
    """Milvus. One collection a fingerprint (``images_<first 12 characters>``), made on first use.

    Raises ``Unavailable("milvus", …)`` when the server refuses or times out. Reads see every acknowledged write.
    """

    def collections(self) -> Sequence[str]:
        """Fingerprints (first 12 characters) of the collections that exist."""

    def upsert(self, fingerprint: str, rows: Sequence[tuple[IndexRow, NDArray[np.float32]]]) -> None:
        """Write rows with their vectors (shape (dim,)); the same id replaces. Creates the collection.

        A vector of another dimension than the collection's is a ``Reject("wrong-dimension", …)``.
        """

    def delete(self, fingerprint: str, ids: Sequence[str]) -> None:
        """Remove rows; absent ids and an absent collection are no error."""

    def rows(self, fingerprint: str, museum: str, object_id: str) -> Sequence[IndexRow]:
        """All rows of one object, without vectors; empty where there is no collection."""

    def search(self, fingerprint: str, vectors: Vectors, *, scope: Scope, limit: int) -> Sequence[Sequence[Match]]:
        """For each query vector the nearest active rows that the scope may see, best first, at most ``limit``.

        Empty where there is no collection of that fingerprint: vectors of two models never meet. A period that is asked of
        a collection made before rows had years is a ``Reject("no-years", …)``.
        """

    def count(self, fingerprint: str) -> int:
        """Rows in the collection, 0 where there is none. May lag by a few seconds, and Milvus Lite counts a row twice whose
        upsert was cut by kill -9 (1 of 93 after 40 faults): good for a size, not for a comparison."""
