"""One frozen dataclass per event, in flow order, and the rules by which ids are derived.

An event travels as a CloudEvent 1.0 whose ``data`` is the JSON of its dataclass. Types are
``io.museumsearch.<what>.<happened>.v<n>``. ``functions/contracts`` holds a JSON Schema and a sample of each.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import msgspec

from functions.errors import Reject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Lane = Literal["interactive", "bulk"]
Purpose = Literal["query", "catalogue"]
Whose = Literal["mine", "others", "all"]
"""Whose objects are searched: the searcher's own museum's, what other museums publish, or both."""
LANES: tuple[Lane, ...] = get_args(Lane)

MAX_PHOTOS = 8
MAX_CLASSES = 15
MAX_MUSEUMS = 32
MAX_MUSEUM = 200
"""Letters of a museum's name in a filter, so that an event stays small."""
MAX_OBJECT_ID = 1024
Year = Annotated[int, msgspec.Meta(ge=-9999, le=9999)]
"""A year, negative before our era."""
TYPE_PREFIX = "io.museumsearch."


def upload_id(bucket: str, key: str, version: str) -> str:
    """The id of an upload: ``uuid5(NAMESPACE_URL, "s3://" + bucket + "/" + key + "#" + version)``.

    ``version`` is the versionId, or the eTag without quotes. For a query this is the query_id.
    """
    return str(uuid5(NAMESPACE_URL, f"s3://{bucket}/{key}#{version}"))


def derived_id(source_id: str, event_type: str, *more: str) -> str:
    """The id of the event that a step makes of another: the same input always gives the same id.

    From embed on ``more`` holds the fingerprint, so that embedding again with another model is another event.
    """
    return str(uuid5(NAMESPACE_URL, "#".join((source_id, event_type, *more))))


def row_id(bucket: str, key: str, view: str) -> str:
    """The key of an index row: sha256 of bucket, key and view."""
    return hashlib.sha256("\0".join((bucket, key, view)).encode()).hexdigest()


def subject_of(key: str) -> str:
    """A key as CloudEvents subject: query-escaped, since the SDK breaks on what is not ASCII."""
    return quote(key, safe="/")


def topic(subject: str) -> str:
    """The last word of the routing key of all announcements about one key: ``sha256(subject)[:32]``, 32 hex digits.

    So an observer hears of one upload alone, also before there is one. A key has other signs than a routing key may have.
    """
    return hashlib.sha256(subject.encode(errors="replace")).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of the first photo, as fractions 0–1 of its upright width and height."""

    left: Annotated[float, msgspec.Meta(ge=0, le=1)]
    top: Annotated[float, msgspec.Meta(ge=0, le=1)]
    width: Annotated[float, msgspec.Meta(gt=0, le=1)]
    height: Annotated[float, msgspec.Meta(gt=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What an object has to be; what is empty or missing asks for nothing."""

    classes: Annotated[tuple[int, ...], msgspec.Meta(max_length=MAX_CLASSES)] = ()
    """typologyIds, one of which it has."""
    museums: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=MAX_MUSEUM)], ...], msgspec.Meta(max_length=MAX_MUSEUMS)] = ()
    """Names, one of which is its museum's."""
    period: tuple[Year, Year] | None = None
    """First and last year: it was, or may have been, made in one of them. An object without years is not found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectName:
    """An object of a museum."""

    museum: Annotated[str, msgspec.Meta(max_length=MAX_MUSEUM)]
    object_id: Annotated[str, msgspec.Meta(max_length=MAX_OBJECT_ID)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Among which objects a query is searched. It narrows what the searcher may see and never widens it."""

    scope: Whose = "all"
    filter: Filter | None = None
    exclude: ObjectName | None = None
    """Left out: the object itself, where more like it is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One photo as it lies in S3."""

    bucket: str
    key: str
    version: str
    size: int = 0
    """Bytes; 0 where the notification did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedImage:
    """One photo after preprocessing. Pixels travel by claim check."""

    bucket: str
    key: str
    version: str
    sha256: str
    """Of the photo's bytes."""
    width: int
    height: int
    """Of the upright original, in pixels."""
    format: str
    preprocessing: str
    """Fingerprint of the preprocessing that made the pixels."""
    pixels: str
    """Key in the derived bucket of a .npy file, uint8 (height, width, 3), RGB."""
    display: str
    """Key prefix in the derived bucket; ``<display>320.jpg`` and ``<display>1280.jpg`` are there."""
    features: str = ""
    """Key in the derived bucket of the local features, those of the region where there is one. Empty in older events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One vector of one view of one image."""

    image: int
    """Index into the event's images."""
    view: str
    """``full``, or ``crop``: the object alone."""
    dim: int
    dtype: Literal["float16", "float32"]
    base64: str
    """Little-endian, of unit length."""

    @classmethod
    def pack(cls, values: NDArray[np.float32], *, image: int, view: str = "full") -> Vector:
        """Pack a unit vector, shape (dim,). float16 moves a cosine by about 1e-5 and halves the event."""
        import numpy as np  # 0.15 s and 15 MB that triggers, ingest, finish and gateway do without

        half = np.ascontiguousarray(values, dtype="<f2")
        return cls(image=image, view=view, dim=half.size, dtype="float16", base64=base64.b64encode(half.tobytes()).decode())

    def unpack(self) -> NDArray[np.float32]:
        """The vector as float32, shape (dim,), of unit length again. ``Reject("broken-vector", …)`` where it is none."""
        import numpy as np

        try:
            raw = np.frombuffer(base64.b64decode(self.base64, validate=True), dtype="<f2" if self.dtype == "float16" else "<f4")
        except ValueError as error:
            raise broken_vector(str(error)) from None
        if raw.size != self.dim:
            raise broken_vector(f"it says dimension {self.dim} and has {raw.size} values")
        values = raw.astype(np.float32)
        norm = float(np.linalg.norm(values))
        if not np.isfinite(norm) or norm == 0:
            raise broken_vector("it has no finite length")
        return np.asarray(values / norm, dtype=np.float32)


def broken_vector(what: str) -> Reject:
    """The end of a photo whose vector is none."""
    return Reject("broken-vector", f"what the model made of the photo cannot be read: {what}; upload the photo again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What travels with every event."""

    TYPE: ClassVar[str] = ""

    museum: str
    owner: str
    lane: Lane
    purpose: Purpose
    upload_id: str
    bucket: str
    key: str
    version: str
    query_id: str | None = None
    """The upload_id where the purpose is query: what a page looks for."""
    object_id: str | None = None
    """The catalogued object where the purpose is catalogue."""
    received_at: float = 0.0
    """Seconds since the epoch when ingest saw it."""
    stages: dict[str, float] = field(default_factory=dict)
    """Milliseconds spent in each step so far."""
    trace: str = ""
    """W3C trace id, filled from the envelope's ``traceparent`` where the event is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketNotified:
    """What a bucket sent, untouched. Not one of ours: its queue wraps it (``Step.wrap``)."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "bucket.notified.v1"

    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReceived(Event):
    """ingest saw an upload: 1 to 8 photos of one object."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "image.received.v1"

    images: Annotated[tuple[Image, ...], msgspec.Meta(min_length=1, max_length=MAX_PHOTOS)]
    region: Region | None = None
    ask: Ask = Ask()
    cause: str = ""
    """The notification's sequencer: its copies share it; the same bytes uploaded once more have another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePreprocessed(Event):
    """preprocess decoded the photos, stored pixels for the encoder and display copies."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "image.preprocessed.v1"

    images: Annotated[tuple[PreparedImage, ...], msgspec.Meta(min_length=1, max_length=MAX_PHOTOS)]
    region: Region | None = None
    ask: Ask = Ask()


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded(Event):
    """What both ends of embed have in common."""

    images: Annotated[tuple[PreparedImage, ...], msgspec.Meta(min_length=1, max_length=MAX_PHOTOS)]
    fingerprint: str
    """Of model and preprocessing: names the collection."""
    vectors: Annotated[tuple[Vector, ...], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEmbedded(Embedded):
    """embed made the vectors of a query: search is next."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "query.embedded.v1"

    region: Region | None = None
    ask: Ask = Ask()


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEmbedded(Embedded):
    """embed made the vectors of a catalogue photo: index is next."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "catalogue.embedded.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageIndexed(Event):
    """The photo is findable (or, ``superseded``, was changed or removed meanwhile and is not)."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "image.indexed.v1"

    fingerprint: str
    status: Literal["indexed", "superseded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRemoved(Event):
    """A catalogue photo was deleted: index takes it out."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "image.removed.v1"

    cause: str = ""
    """The notification's sequencer: copies of one notification share it, a later change has another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectChanged(Event):
    """A record was written or deleted, or a known photo came back: index compares the object with S3."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "object.changed.v1"

    cause: str = ""
    """The notification's sequencer: copies of one notification share it, a later change has another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCompleted(Event):
    """``results/<query_id>.json`` is there."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "search.completed.v1"

    status: Literal["completed", "rejected", "failed"]
    result_bucket: str
    result_key: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRejected(Event):
    """An upload that can never succeed, with the reason. From finish: its result or outcome is stored."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "image.rejected.v1"

    step: str
    code: str
    reason: str
    status: Literal["rejected"] = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDead:
    """A delivery that the trigger gave up: ``event`` is the CloudEvent in structured form."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "delivery.dead.v1"

    step: str
    reason: str
    attempts: int
    event: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFailed(Event):
    """finish stored a failed result (or outcome): its worker is dead, a replay may replace it."""

    TYPE: ClassVar[str] = TYPE_PREFIX + "query.failed.v1"

    step: str
    code: str
    reason: str
    status: Literal["failed"] = "failed"


EVENTS: tuple[type[Any], ...] = (
    BucketNotified,
    ImageReceived,
    ImagePreprocessed,
    QueryEmbedded,
    CatalogueEmbedded,
    ImageIndexed,
    ImageRemoved,
    ObjectChanged,
    SearchCompleted,
    ImageRejected,
    DeliveryDead,
    QueryFailed,
)
"""In flow order: the number of a contract file is the place here."""

BY_TYPE: dict[str, type[Any]] = {event.TYPE: event for event in EVENTS}


def notification_id(body: bytes) -> str:
    """The id of a bucket's notification, which has none: sha256 of its bytes."""
    return hashlib.sha256(body).hexdigest()


def to_json(event: Any) -> bytes:
    """An event's data as JSON bytes."""
    return msgspec.json.encode(event)


def to_data(event: Any) -> dict[str, Any]:
    """An event's data as plain JSON values."""
    data: dict[str, Any] = json.loads(to_json(event))
    return data
