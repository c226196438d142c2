"""``results/<query_id>.json``: what a search ends in, and its announcement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from functions.catalogue.calibration import Relation, Verdict
from functions.catalogue.hits import ClassVote, Offer
from functions.decoding import converted, decoded
from functions.errors import MOMENTARY
from functions.events import Filter, ImageRejected, ObjectName, QueryFailed, Region, SearchCompleted, Whose
from functions.ports import ObjectStore
from functions.verify.outline import Outline


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The part that two photos have in common: an outline in each, four corners as fractions 0–1 of the upright picture."""

    query: Outline
    hit: Outline


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One object, as a result lists it."""

    rank: int
    museum: str
    object_id: str
    score: float
    """Cosine of the best pair of views, not rescaled."""
    image: str
    """Key of the photo that is alike, in the catalogue bucket."""
    display: str
    """Key prefix of its display copies in the derived bucket: add ``320.jpg`` or ``1280.jpg``."""
    query_image: int
    """Which of the query's photos is alike."""
    view: str
    """Which view of the catalogue's photo: ``full``, or ``crop``, the object in it."""
    class_code: int
    query_view: str = "full"
    """Which view of the query's photo."""
    record: dict[str, str] | None = None
    """The fields the searcher may see; only the hits shown first carry them."""
    inliers: int | None = None
    """Local features that both photos show in the same arrangement; ``None`` where no such part was found or looked for."""
    region: Shared | None = None
    """Where that part is."""
    relation: Relation | None = None
    """What kind of likeness it is; ``None`` where nothing can be said."""
    duplicate: bool | None = None
    """Whether it is the query's object itself, at a precision of 95 %; ``None`` where that is not known, and of another
    museum's object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One of the query's photos, as a result shows it."""

    display: str
    """Key prefix of its display copies in the derived bucket: add ``320.jpg`` or ``1280.jpg``."""
    width: int
    height: int
    """Of the upright original, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one query."""

    query_id: str
    museum: str
    owner: str
    status: Literal["completed", "rejected", "failed"]
    bucket: str
    key: str
    version: str
    reason: str | None = None
    code: str | None = None
    step: str | None = None
    model: str = ""
    """Fingerprint of the model that the scores are of."""
    photos: list[Photo] = field(default_factory=list)
    """The query's photos in its own order; empty where it was not searched, and in older results."""
    region: Region | None = None
    """The part of the first photo that was searched; ``None``: the whole."""
    scope: Whose = "all"
    filter: Filter | None = None
    exclude: ObjectName | None = None
    """What the query asked for; all three tell nothing where it was not searched."""
    hits: list[Hit] = field(default_factory=list)
    verdict: Verdict | None = None
    class_: ClassVote | None = field(default=None)
    draft: dict[str, list[Offer]] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    """Milliseconds spent in each step."""
    received_at: float = 0.0
    completed_at: float = 0.0
    trace: str = ""
    """W3C trace id, by which its way is found in logs."""


def is_final(result: Result) -> bool:
    """Whether a result stays: a failed one is replaced by a replay, one of a moment when the photo is back."""
    return result.status != "failed" and result.code not in MOMENTARY


def key_of(query_id: str) -> str:
    """Where a result is in its bucket."""
    return f"{query_id}.json"


def encode(result: Result) -> bytes:
    """The result as JSON; ``class_`` is ``class`` there."""
    data = msgspec.to_builtins(result)
    data["class"] = data.pop("class_")
    return msgspec.json.encode(data)


def decode(body: bytes) -> Result:
    """Read a stored result."""
    data = decoded(body)
    data["class_"] = data.pop("class", None)
    return converted(data, Result)


def read_result(store: ObjectStore, bucket: str, query_id: str) -> Result | None:
    """The stored result of a query, or ``None``."""
    found = store.get(bucket, key_of(query_id))
    return decode(found.body) if found else None


def store_result(store: ObjectStore, bucket: str, result: Result) -> Result:
    """Store a result and return the one that counts: the first writer wins, and only one that is not final is replaced."""
    key = key_of(result.query_id)
    body = encode(result)
    if store.create(bucket, key, body, content_type="application/json"):
        return result
    earlier = read_result(store, bucket, result.query_id)
    if earlier is not None and (is_final(earlier) or not is_final(result)):
        return earlier
    store.put(bucket, key, body, content_type="application/json")
    return result


Announcement = SearchCompleted | ImageRejected | QueryFailed


def announcement(result: Result, common: Mapping[str, Any], *, bucket: str) -> Announcement:
    """The event that says a result is there. A repeat says the same: nothing in it is of this delivery."""
    common = {name: value for name, value in common.items() if name != "stages"}
    common |= {"received_at": result.received_at, "trace": result.trace}
    if result.status == "completed":
        return SearchCompleted(
            **common, status="completed", result_bucket=bucket, result_key=key_of(result.query_id), model=result.model
        )
    ended = ImageRejected if result.status == "rejected" else QueryFailed
    return ended(**common, step=result.step or "", code=result.code or "", reason=result.reason or "")
