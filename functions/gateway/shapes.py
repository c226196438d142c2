"""What calls take and give, as JSON. The OpenAPI document is made of these, so it cannot say otherwise."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from functions.events import MAX_PHOTOS, Region

Status = Literal["uploading", "waiting", "running", "completed", "rejected", "failed"]
Stage = Literal["uploading", "waiting", "received", "preprocessed", "embedded", "done"]
Scope = Literal["mine", "others", "all"]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Year = Annotated[int, Meta(ge=-10_000, le=9999)]
Code = Annotated[int, Meta(ge=1, le=99)]


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends: a field that nobody knows is an error, since it is a typing error or a wrong version."""


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """What a call answers."""


class Filter(Given, frozen=True, kw_only=True):
    """Where to search: within classes, museums, and years that the period of creation touches."""

    classes: Annotated[tuple[Code, ...], Meta(max_length=20)] = ()
    museums: Annotated[tuple[Name, ...], Meta(max_length=50)] = ()
    period: tuple[Year, Year] | None = None


class Photo(Given, frozen=True, kw_only=True):
    """A photo that is about to be uploaded."""

    filename: Name
    content_type: Annotated[str, Meta(max_length=100, pattern="^image/[a-z0-9.+-]+$")]
    size: Annotated[int, Meta(ge=1)]
    """Bytes."""


class Upload(Given, frozen=True, kw_only=True):
    """A query to be: one photo, or the ``parts`` of one object."""

    filename: Name
    content_type: Annotated[str, Meta(max_length=100, pattern="^image/[a-z0-9.+-]+$")]
    size: Annotated[int, Meta(ge=1)]
    parts: Annotated[tuple[Photo, ...], Meta(max_length=MAX_PHOTOS)] = ()
    """All the photos of the object, where there are several; the fields above are then those of the first."""
    batch: Annotated[str, Meta(max_length=200)] = ""
    wait: bool = False
    """Whether it may wait outside the queues, as the photos of a batch do."""
    scope: Scope = "all"
    filter: Filter | None = None


class Narrowed(Given, frozen=True, kw_only=True):
    """A new query of the same photos within a part of the catalogue."""

    scope: Scope = "all"
    classes: Annotated[tuple[Code, ...], Meta(max_length=20)] = ()
    museums: Annotated[tuple[Name, ...], Meta(max_length=50)] = ()
    period: tuple[Year, Year] | None = None


class Crop(Given, frozen=True, kw_only=True):
    """A part of the first photo, as fractions of its upright width and height."""

    left: Annotated[float, Meta(ge=0, le=1)]
    top: Annotated[float, Meta(ge=0, le=1)]
    width: Annotated[float, Meta(gt=0, le=1)]
    height: Annotated[float, Meta(gt=0, le=1)]


class Feedback(Given, frozen=True, kw_only=True):
    """What a person says of a hit."""

    object: Name
    is_: Literal["same", "different"] = msgspec.field(name="is")


class Form(Said, frozen=True, kw_only=True):
    """A presigned POST: send the fields and then ``file`` as multipart/form-data to the address."""

    url: str
    fields: dict[str, str]


class Links(Said, frozen=True, kw_only=True):
    """Where to go on."""

    self: str
    events: str
    uploaded: str


class Begun(Said, frozen=True, kw_only=True):
    """A query that waits for its photos."""

    id: str
    upload: Form | None
    """For one photo: the upload alone starts the search."""
    parts: list[Form]
    """For each of several photos: the search starts when ``uploaded`` is called."""
    links: Links
    expires_at: float


class Copies(Said, frozen=True, kw_only=True, rename={"small": "320", "large": "1280"}):
    """Addresses of a picture's copies, by their longest side in pixels."""

    small: str
    large: str


class ObjectRef(Said, frozen=True, kw_only=True):
    """Which object."""

    id: str
    museum: str
    object_id: str
    own: bool
    """Whether it is of the caller's museum."""


class HitShown(Said, frozen=True, kw_only=True):
    """One object, as a page lists it."""

    rank: int
    object: ObjectRef
    score: float
    """Cosine, not rescaled."""
    relation: dict[str, Any] | None
    duplicate: bool | None
    class_code: int
    class_name: str
    record: dict[str, str] | None
    image: Copies
    query_image: int
    query_view: str
    view: str
    inliers: int | None
    region: dict[str, Any] | None


class SourceShown(Said, frozen=True, kw_only=True):
    """A record that a value came from."""

    id: str
    museum: str
    object_id: str
    score: float


class OfferShown(Said, frozen=True, kw_only=True):
    """One value for one field of a draft."""

    value: str
    support: float
    sources: list[SourceShown]


class ResultShown(Said, frozen=True, kw_only=True):
    """The result of a query."""

    hits: list[HitShown]
    total: int
    verdict: dict[str, Any] | None
    class_: dict[str, Any] | None = msgspec.field(name="class")
    draft: dict[str, list[OfferShown]]
    stages: dict[str, float]
    completed_at: float
    model: str


class Snapshot(Said, frozen=True, kw_only=True):
    """How a query stands, whole: what a late reader needs."""

    id: str
    status: Status
    stage: Stage
    uploaded_at: float | None
    """Seconds since the epoch; ``null`` while the upload is awaited."""
    now: float
    expected_ms: float | None
    """Of the whole way from upload to result, from recent ones; ``null`` where there are none."""
    expected: dict[str, float]
    """The same by step."""
    ahead: int | None
    """Queries that are before this one."""
    reason: str | None
    code: str | None
    step: str | None
    photos: list[Copies]
    filename: str
    batch: str
    scope: Scope
    filter: Filter | None
    region: Region | None
    of: str | None
    """The query whose photos these are."""
    result: ResultShown | None


class Top(Said, frozen=True, kw_only=True):
    """The first hit, for a list."""

    name: str
    score: float
    image: Copies


class Listed(Said, frozen=True, kw_only=True):
    """A query in the history."""

    id: str
    status: Status
    uploaded_at: float | None
    created: float | None
    filename: str
    batch: str
    reason: str | None
    photos: list[Copies]
    top: Top | None
    duplicate: bool
    """Whether a hit is said to be the object itself."""


class History(Said, frozen=True, kw_only=True):
    """A page of the history, newest first."""

    items: list[Listed]
    next: str | None
    """The cursor of the next page."""


class Me(Said, frozen=True, kw_only=True):
    """Who is asking."""

    museum: str
    owner: str
    roles: list[str]
    limits: dict[str, Any]
    expires: float


class ProblemSaid(Said, frozen=True, kw_only=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    code: str
    detail: str
