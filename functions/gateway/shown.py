"""A stored result as a page is given it, with what has become of its hits since (:mod:`functions.gateway.records`). Pure."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import msgspec

from functions.catalogue.classes import BY_CODE
from functions.catalogue.handle import object_handle
from functions.catalogue.hits import SHOWN
from functions.gateway.handles import Pictures
from functions.gateway.records import Now, gone
from functions.gateway.shapes import Copies, HitShown, MaybeCopies, ObjectRef, OfferShown, ResultShown, SourceShown, Top
from functions.results import Hit, Result


def result_shown(result: Result, viewer: str, pictures: Pictures, now: Sequence[Now], *, hits: int) -> ResultShown:
    """The first ``hits`` of a result; ``now``: of these, and of the first ten at least, what the viewer may still see."""
    lost = gone(result.hits, now)
    offers = {name: [shown for one in values if (shown := offer_shown(one, lost))] for name, values in result.draft.items()}
    return ResultShown(
        hits=[hit_shown(hit, viewer, pictures, one) for hit, one in zip(result.hits[:hits], now, strict=False)],
        total=len(result.hits),
        verdict=verdict_shown(result),
        class_=class_shown(result, now),
        draft={name: shown for name, shown in offers.items() if shown},
        stages=result.stages,
        completed_at=result.completed_at,
        model=result.model[:12],
    )


def verdict_shown(result: Result) -> dict[str, Any] | None:
    """Whether anything is similar; without the collection's size, which counts what the viewer may not see."""
    verdict = builtins(result.verdict)
    return None if verdict is None else {name: value for name, value in verdict.items() if name != "collection_size"}


def class_shown(result: Result, now: Sequence[Now]) -> dict[str, Any] | None:
    """The class and its runners-up, without those that only objects speak for which may not be seen any more.

    Where the first of them goes, the next is not sure: nobody has calibrated that.
    """
    if result.class_ is None:
        return None
    voters = list(zip(result.hits[:SHOWN], now, strict=False))
    if all(one.visible for _, one in voters):
        return dict(builtins(result.class_))
    left = {hit.class_code for hit, one in voters if one.visible}
    first, others = result.class_, result.class_.runners_up
    ranked = [builtins(one) for one in others if one.code in left]
    if first.code in left:
        return {**builtins(first), "runners_up": ranked}
    return {**ranked[0], "runners_up": ranked[1:], "sure": None} if ranked else None


def hit_shown(hit: Hit, viewer: str, pictures: Pictures, now: Now) -> HitShown:
    """One hit. That it is the object itself is said within one's own museum alone."""
    kind = BY_CODE.get(hit.class_code) if now.visible else None
    own = hit.museum == viewer
    return HitShown(
        rank=hit.rank,
        object=ObjectRef(id=object_handle(hit.museum, hit.object_id), museum=hit.museum, object_id=hit.object_id, own=own),
        score=hit.score,
        relation=builtins(hit.relation),
        duplicate=hit.duplicate if own else None,
        class_code=hit.class_code if now.visible else 0,
        class_name=kind.ru if kind else "",
        record=now.record,
        image=picture_of(hit, viewer, pictures) if now.pictured else MaybeCopies(),
        query_image=hit.query_image,
        query_view=hit.query_view,
        view=hit.view,
        inliers=hit.inliers,
        region=builtins(hit.region) if now.pictured else None,
        gone=not now.visible,
    )


def picture_of(hit: Hit, viewer: str, pictures: Pictures) -> MaybeCopies:
    """A hit's picture."""
    copies = pictures.copies(hit.display, viewer, of=(hit.museum, hit.object_id))
    return MaybeCopies(small=copies.small, large=copies.large)


def offer_shown(offer: Any, lost: Set[tuple[str, str]]) -> OfferShown | None:
    """One value of a draft, with its sources' ids; ``None`` where all of them are lost."""
    sources = [
        SourceShown(id=object_handle(one.museum, one.object_id), museum=one.museum, object_id=one.object_id, score=one.score)
        for one in offer.sources
        if (one.museum, one.object_id) not in lost
    ]
    return OfferShown(value=offer.value, support=offer.support, sources=sources) if sources else None


def is_similar(result: Result) -> bool:
    """Whether a list may name the first hit: nothing is named where nothing is similar."""
    return bool(result.hits) and (result.verdict is None or result.verdict.similar is not False)


def top_of(result: Result, viewer: str, pictures: Pictures, now: Now) -> Top:
    """The first hit, for a list; without name and picture where it may not be seen any more."""
    hit = result.hits[0]
    name = (now.record or {}).get("Name", hit.object_id) if now.visible else ""
    copies = pictures.copies(hit.display, viewer, of=(hit.museum, hit.object_id)) if now.pictured else None
    return Top(name=name, score=hit.score, image=copies)


def photos_of(result: Result, viewer: str, pictures: Pictures, *, of: tuple[str, str] | None = None) -> list[Copies]:
    """The query's own photos; ``of``: the object that they are a copy of."""
    return [pictures.copies(photo.display, viewer, of=of) for photo in result.photos]


def builtins(value: Any) -> Any:
    """A part of a result as JSON values."""
    return None if value is None else msgspec.to_builtins(value)
