"""A stored result as a page is given it. Pure, but for the records that are read when more than the first ten are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from functions.catalogue.classes import BY_CODE
from functions.gateway.handles import Pictures, object_handle
from functions.gateway.shapes import Copies, HitShown, ObjectRef, OfferShown, ResultShown, SourceShown, Top
from functions.results import Hit, Result


def result_shown(
    result: Result,
    viewer: str,
    pictures: Pictures,
    *,
    hits: int,
    record: Callable[[Hit], dict[str, str] | None] = lambda hit: hit.record,
) -> ResultShown:
    """The first ``hits`` of a result; ``record`` gives the fields that the viewer may see of each."""
    return ResultShown(
        hits=[hit_shown(hit, viewer, pictures, record(hit)) for hit in result.hits[:hits]],
        total=len(result.hits),
        verdict=verdict_shown(result),
        class_=builtins(result.class_),
        draft={name: [offer_shown(offer) for offer in offers] for name, offers in result.draft.items()},
        stages=result.stages,
        completed_at=result.completed_at,
        model=result.model[:12],
    )


def verdict_shown(result: Result) -> dict[str, Any] | None:
    """Whether anything is similar; without the collection's size, which counts what the viewer may not see."""
    verdict = builtins(result.verdict)
    return None if verdict is None else {name: value for name, value in verdict.items() if name != "collection_size"}


def hit_shown(hit: Hit, viewer: str, pictures: Pictures, record: dict[str, str] | None) -> HitShown:
    """One hit. That it is the object itself is said within one's own museum alone."""
    kind = BY_CODE.get(hit.class_code)
    own = hit.museum == viewer
    return HitShown(
        rank=hit.rank,
        object=ObjectRef(id=object_handle(hit.museum, hit.object_id), museum=hit.museum, object_id=hit.object_id, own=own),
        score=hit.score,
        relation=builtins(hit.relation),
        duplicate=hit.duplicate if own else None,
        class_code=hit.class_code,
        class_name=kind.ru if kind else "",
        record=record,
        image=pictures.copies(hit.display, viewer),
        query_image=hit.query_image,
        query_view=hit.query_view,
        view=hit.view,
        inliers=hit.inliers,
        region=builtins(hit.region),
    )


def offer_shown(offer: Any) -> OfferShown:
    """One value of a draft, with its sources' ids."""
    sources = [
        SourceShown(id=object_handle(one.museum, one.object_id), museum=one.museum, object_id=one.object_id, score=one.score)
        for one in offer.sources
    ]
    return OfferShown(value=offer.value, support=offer.support, sources=sources)


def top_of(result: Result, viewer: str, pictures: Pictures) -> Top | None:
    """The first hit, for a list; nothing where nothing is similar."""
    if not result.hits or (result.verdict is not None and result.verdict.similar is False):
        return None
    hit = result.hits[0]
    return Top(name=(hit.record or {}).get("Name", hit.object_id), score=hit.score, image=pictures.copies(hit.display, viewer))


def photos_of(result: Result, viewer: str, pictures: Pictures) -> list[Copies]:
    """The query's own photos."""
    return [pictures.copies(photo.display, viewer) for photo in result.photos]


def builtins(value: Any) -> Any:
    """A part of a result as JSON values."""
    return None if value is None else msgspec.to_builtins(value)
