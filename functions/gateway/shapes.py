"""What calls take and give, as JSON. The OpenAPI document is made of these, so it cannot say otherwise."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from functions.catalogue.draft import MAX_TEXT, State
from functions.events import MAX_PHOTOS, Region

Status = Literal["uploading", "waiting", "running", "completed", "rejected", "failed"]
Stage = Literal["uploading", "waiting", "received", "preprocessed", "embedded", "done"]
Scope = Literal["mine", "others", "all"]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Year = Annotated[int, Meta(ge=-10_000, le=9999)]
Code = Annotated[int, Meta(ge=1, le=99)]
Handle = Annotated[str, Meta(min_length=1, max_length=1500, pattern="^[A-Za-z0-9_-]+$(?!\\n)")]
"""An object's ``{id}``."""


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends: a field that nobody knows is an error, since it is a typing error or a wrong version."""


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """What a call answers."""


class Filter(Given, frozen=True, kw_only=True):
    """Where to search: within classes, museums, and years that the period of creation touches."""

    classes: Annotated[tuple[Code, ...], Meta(max_length=20)] = ()
    museums: Annotated[tuple[Name, ...], Meta(max_length=32)] = ()
    period: tuple[Year, Year] | None = None


class Photo(Given, frozen=True, kw_only=True):
    """A photo that is about to be uploaded."""

    filename: Name
    content_type: Annotated[str, Meta(max_length=100, pattern="^image/[a-z0-9.+-]+$(?!\\n)")]
    size: Annotated[int, Meta(ge=1)]
    """Bytes."""


class Upload(Photo, frozen=True, kw_only=True):
    """A query to be: one photo, or the ``parts`` of one object."""

    parts: Annotated[tuple[Photo, ...], Meta(max_length=MAX_PHOTOS)] = ()
    """All the photos of the object, where there are several; its own fields are then those of the first."""
    batch: Annotated[str, Meta(max_length=200)] = ""
    wait: bool = False
    """Whether it may wait outside the queues, as the photos of a batch do."""
    scope: Scope = "all"
    filter: Filter | None = None


class Narrowed(Filter, frozen=True, kw_only=True):
    """A new query of the same photos within a part of the catalogue."""

    scope: Scope = "all"


class Crop(Given, frozen=True, kw_only=True):
    """A part of the first photo, as fractions of its upright width and height."""

    left: Annotated[float, Meta(ge=0, le=1)]
    top: Annotated[float, Meta(ge=0, le=1)]
    width: Annotated[float, Meta(gt=0, le=1)]
    height: Annotated[float, Meta(gt=0, le=1)]


class Feedback(Given, frozen=True, kw_only=True):
    """What a person says of a hit."""

    object: Handle
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


class MaybeCopies(Said, frozen=True, kw_only=True, rename={"small": "320", "large": "1280"}):
    """The same of what may be gone: ``null`` then."""

    small: str | None = None
    large: str | None = None


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
    """As it is now, where the result is older than a minute."""
    image: MaybeCopies
    query_image: int
    query_view: str
    view: str
    inliers: int | None
    region: dict[str, Any] | None
    gone: bool
    """Whether it may not be seen any more: another museum took its publication back, or it was erased."""


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


class QueryShown(Said, frozen=True, kw_only=True):
    """What a query's state and its line in the history both say."""

    id: str
    status: Status
    uploaded_at: float | None
    """Seconds since the epoch; ``null`` while the upload is awaited."""
    reason: str | None
    photos: list[Copies]
    filename: str
    batch: str
    of: str | None
    """The query whose photos these are."""
    like: str | None
    """The object that this asks more like of."""
    scope: Scope
    filter: Filter | None
    region: Region | None


class Snapshot(QueryShown, frozen=True, kw_only=True):
    """How a query stands, whole: what a late reader needs."""

    stage: Stage
    now: float
    expected_ms: float | None
    """Of the whole way from upload to result, from recent ones; ``null`` where there are none."""
    expected: dict[str, float]
    """The same by step."""
    ahead: int | None
    """Queries that are before this one while it waits: hers that wait longer, and those in the queues that were there when it
    came. In a queue it never rises. ``null`` where it is not known."""
    code: str | None
    step: str | None
    root: str
    """The query that its photos were given with, itself or one of before: a draft of one is the draft of all."""
    said: dict[str, Literal["same", "different"]]
    """What its owner said of hits, by the object's id."""
    result: ResultShown | None


class Top(Said, frozen=True, kw_only=True):
    """The first hit, for a list."""

    name: str
    """Empty where it may not be seen any more."""
    score: float
    image: Copies | None


class Listed(QueryShown, frozen=True, kw_only=True):
    """A query in the history."""

    created: float | None
    top: Top | None
    duplicate: bool
    """Whether a hit is said to be the object itself."""


class History(Said, frozen=True, kw_only=True):
    """A page of the history, newest first."""

    items: list[Listed]
    next: str | None
    """The cursor of the next page."""


class Erased(Said, frozen=True, kw_only=True):
    """What was erased."""

    queries: int
    """The query itself, and those of its photos."""


Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Element = Annotated[str, Meta(min_length=1, max_length=40)]
Texts = Annotated[dict[Element, Text], Meta(max_length=100)]


class SourceGiven(Given, frozen=True, kw_only=True):
    """Where a value was taken from; when, the gateway notes."""

    object: Handle
    value: Text
    at: float | None = None
    """As it was read before; not taken."""


class SourcePatch(Given, frozen=True, kw_only=True):
    """A change of the same."""

    object: Handle | UnsetType = UNSET
    value: Text | UnsetType = UNSET
    at: float | UnsetType = UNSET


class DraftPatch(Given, frozen=True, kw_only=True):
    """A change of what a draft has beside its fields; ``null`` takes away."""

    state: State | UnsetType = UNSET
    sources: Annotated[dict[Element, SourcePatch | None], Meta(max_length=100)] | UnsetType | None = UNSET
    confirmed: Annotated[tuple[Element, ...], Meta(max_length=100)] | UnsetType | None = UNSET
    linked_to: Handle | UnsetType | None = UNSET
    """The imported object that the card became: together with the state ``linked``."""
    order: Annotated[tuple[Name, ...], Meta(max_length=200)] | UnsetType | None = UNSET
    """Names of photos, the first is main."""


class ObjectPatch(Given, frozen=True, kw_only=True):
    """A JSON Merge Patch (RFC 7396) of an object."""

    fields: Annotated[dict[Element, Text | None], Meta(max_length=100)] | UnsetType | None = UNSET
    draft: DraftPatch | UnsetType = UNSET


class DraftGiven(Given, frozen=True, kw_only=True):
    """A draft to be."""

    query: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$(?!\\n)")] | None = None
    """Whose photos become the draft's."""
    batch: Annotated[str, Meta(max_length=200)] | None = None
    """``null``: the query's."""
    fields: Texts = {}
    sources: Annotated[dict[Element, SourceGiven], Meta(max_length=100)] = {}
    own: Texts = {}
    """The batch's values of own fields, before the museum's."""


class SettingsGiven(Given, frozen=True, kw_only=True):
    """A museum's settings."""

    own: Annotated[dict[Element, Annotated[str, Meta(max_length=2000)]], Meta(max_length=100)] = {}
    copy_order: Annotated[tuple[Element, ...], Meta(max_length=100)] = ()


class SettingsShown(Said, frozen=True, kw_only=True):
    """A museum's settings."""

    own: dict[str, str]
    """What a new draft's own fields begin with."""
    copy_order: list[str]
    """The elements in the order in which a card is copied as text and exported."""


class ImageShown(Said, frozen=True, kw_only=True, rename={"small": "320", "large": "1280"}):
    """One photo of an object; without copies until it is indexed."""

    name: str
    main: bool
    small: str | None
    large: str | None
    findable: bool
    """Whether a search finds the object by it."""
    reason: str | None
    """Why there will be no copies, where it was refused."""


class SourceKept(Said, frozen=True, kw_only=True):
    """Where a value was taken from."""

    object: str
    value: str
    at: float


class DraftShown(Said, frozen=True, kw_only=True):
    """What a draft has beside its fields."""

    state: State
    query: str | None
    batch: str
    sources: dict[str, SourceKept]
    confirmed: list[str]
    linked_to: str | None
    created: float
    changed: float
    by: str
    changed_by: str
    order: list[str]


class ObjectShown(Said, frozen=True, kw_only=True):
    """One object, as far as the caller may see it."""

    id: str
    museum: str
    object_id: str
    own: bool
    editable: bool
    """Whether the caller may change it now: a draft of their museum that is not linked."""
    fields: dict[str, str]
    warnings: dict[str, str]
    """What looks wrong, by element; ``record.json`` where the record cannot be read."""
    images: list[ImageShown]
    """The main one first."""
    draft: DraftShown | None
    """``null``: imported, its master is the museum's own system."""


class Objects(Said, frozen=True, kw_only=True):
    """A page of objects, each with its main image alone."""

    items: list[ObjectShown]
    next: str | None
    """The cursor of the next page: there may be one though this has few items, or none."""


class Added(Said, frozen=True, kw_only=True):
    """A photo to be."""

    name: str
    """What it will be called."""
    upload: Form
    expires_at: float


class CardSource(SourceKept, frozen=True, kw_only=True):
    """Where a value was taken from, as a person finds it."""

    museum: str
    number: str
    """Of the record, or else its object_id."""


class CardGiven(Said, frozen=True, kw_only=True):
    """One card, given out."""

    id: str
    object_id: str
    state: State
    query: str | None
    fields: dict[str, str]
    warnings: dict[str, str]
    sources: dict[str, CardSource]
    confirmed: list[str]
    linked_to: str | None
    images: list[str]
    """Names of its photos, the main one first."""


class Export(Said, frozen=True, kw_only=True):
    """Cards, given out."""

    batch: str | None
    exported_at: float
    cards: list[CardGiven]
    next: str | None
    """The cursor of what did not fit."""


class Similar(Said, frozen=True, kw_only=True):
    """A query that looks for what is like an object."""

    id: str
    links: Links


class FieldShown(Said, frozen=True, kw_only=True):
    """One field of a record."""

    name: str
    kind: Literal["offered", "own", "never"]
    ru: str
    en: str
    codes: dict[str, str]
    """The codes it may have, with what they mean."""
    form: Literal["text", "year", "date", "count"]
    """A free text, a year (negative before our era), a date or a part of one, or a number of things."""
    public: bool
    """Whether other museums may see it."""
    choice: Literal["whole", "vote"]
    """``whole``: one sample's text untouched."""


class ClassShown(Said, frozen=True, kw_only=True):
    """One class of the State Catalogue."""

    code: int
    ru: str
    en: str


class Fields(Said, frozen=True, kw_only=True):
    """What a record is made of."""

    fields: list[FieldShown]
    classes: list[ClassShown]


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
