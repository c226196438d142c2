"""search: the nearest objects, their class, and a draft; stored, then announced."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from functions.catalogue import hits as catalogue
from functions.catalogue.calibration import Verdict, verdict
from functions.catalogue.draft import PREFIX
from functions.catalogue.hits import Became, ObjectHit, ObjectId
from functions.catalogue.keys import parse_query, record_key
from functions.catalogue.record import Record, visible
from functions.errors import Reject
from functions.events import Ask, Filter, QueryEmbedded, broken_vector
from functions.ports import ObjectStore, Scope, VectorIndex, Vectors
from functions.results import Announcement, Hit, Photo, Result, Shared, announcement, store_result
from functions.runtime.carry import carried
from functions.search.collection import Collection
from functions.search.verification import Verify
from functions.verify.match import Match

ROWS = 300
"""Rows asked for first, for each of the query's vectors: a catalogue has 1–3 photos an object and one or two rows a photo. With
two vectors they cost 18 ms in 10 000 rows, 600 cost 36 ms: not asked for where 300 are of 100 objects."""
MORE = 2
"""Times as many are asked for where these are of fewer objects."""
MAX_ROWS = 16_384
"""Milvus gives no more."""

FOLDED = 2 * catalogue.SHOWN
"""Of the first so many hits it is asked whether they are cards that became a record."""

Linked = Callable[[Sequence[ObjectId]], Mapping[ObjectId, Became]]
"""What cards among these became (:class:`functions.search.linked.LinkReader`)."""
Records = Callable[[Sequence[tuple[ObjectId, str, str]]], dict[ObjectId, Record]]
"""Reads records, given (object, key, version) of each."""


def search(
    event: QueryEmbedded,
    *,
    store: ObjectStore,
    rows: VectorIndex,
    records: Records,
    linked: Linked,
    verify: Verify,
    collection: Callable[[str], Collection],
    live: Callable[[], str],
    results: str,
) -> Announcement:
    """Search, store the result, announce it. A query whose result is there is announced again. ``live``: fingerprint.

    Whether it is there is not asked first: a delivery that comes twice is rare, and costs a search of 5 ms.
    """
    must_be_known(event.fingerprint, rows=rows, live=live)
    made = result_of(event, rows=rows, records=records, linked=linked, verify=verify, collection=collection)
    known = store_result(store, results, made)
    return announcement(known, carried(event), bucket=results)


def result_of(
    event: QueryEmbedded,
    *,
    rows: VectorIndex,
    records: Records,
    linked: Linked,
    verify: Verify,
    collection: Callable[[str], Collection],
) -> Result:
    """The result of a query's vectors, not yet stored."""
    started = time.perf_counter()
    scored = objects_of(event, nearest(event, queries_of(event), rows), linked)
    state = collection(event.fingerprint)
    judged = verdict(scored[0].score if scored else None, state.calibration, state.size)
    hits, matches = verify(event, scored)
    shown = {
        identity: seen
        for identity, record in records([place_of(hit) for hit in hits[: catalogue.SHOWN]]).items()
        if (seen := visible(record, event.museum)) is not None
    }
    keys = {hit.object: place_of(hit)[1] for hit in hits}
    neighbours = catalogue.neighbours_of(hits, shown, keys, threshold=judged.threshold, matched=matches)
    speak = judged.similar is not False
    spent = round((time.perf_counter() - started) * 1000, 1)
    return Result(
        query_id=event.upload_id,
        museum=event.museum,
        owner=event.owner,
        status="completed",
        bucket=event.bucket,
        key=event.key,
        version=event.version,
        reason=reason_of(judged, scored, narrowed=event.ask != Ask()),
        model=event.fingerprint,
        photos=[Photo(display=image.display, width=image.width, height=image.height) for image in event.images],
        region=event.region,
        scope=event.ask.scope,
        filter=event.ask.filter,
        exclude=event.ask.exclude,
        hits=[
            listed(rank, hit, shown.get(hit.object), matches.get(hit.object), state, event.museum)
            for rank, hit in enumerate(hits, 1)
        ],
        verdict=judged,
        class_=catalogue.classify(hits, state.votes) if speak else None,
        draft=catalogue.draft(neighbours) if speak else {},
        stages={**event.stages, "search": spent},
        received_at=event.received_at,
        completed_at=time.time(),
        trace=event.trace,
    )


def must_be_known(fingerprint: str, *, rows: VectorIndex, live: Callable[[], str]) -> None:
    """Raise ``Reject`` for a model that is not live and has no collection: that it finds nothing would say nothing.

    The live model's collection may be missing: it is made with its first photo.
    """
    if fingerprint[:12] != live()[:12] and fingerprint[:12] not in rows.collections():
        raise Reject(
            "other-fingerprint",
            "the photo was read by a model that is no longer in use, and nothing is left to compare it with: upload it again",
        )


def queries_of(event: QueryEmbedded) -> Vectors:
    """The query's vectors, float32 (n, dim)."""
    vectors = [vector.unpack() for vector in event.vectors]
    if len(dims := {vector.size for vector in vectors}) > 1:
        raise broken_vector(f"its vectors have dimensions {sorted(dims)}")
    return np.stack(vectors)


def nearest(event: QueryEmbedded, queries: Vectors, rows: VectorIndex) -> list[ObjectHit]:
    """The 100 nearest objects, or all there are: one object may have more photos near the query than are asked for at first."""
    limit, scope = ROWS, scope_of(event)
    while True:
        found = rows.search(event.fingerprint, queries, scope=scope, limit=limit)
        hits = catalogue.grouped(
            (vector.image, vector.view, matches) for vector, matches in zip(event.vectors, found, strict=True)
        )
        if len(hits) == catalogue.STORED or limit == MAX_ROWS or all(len(matches) < limit for matches in found):
            return hits
        limit = min(MORE * limit, MAX_ROWS)


def objects_of(event: QueryEmbedded, hits: list[ObjectHit], linked: Linked) -> list[ObjectHit]:
    """The hits without what the searcher's museum has twice, nor the card of these very photos, which would be its own sample.

    What another museum linked is its own matter.
    """
    left_out = (event.ask.exclude.museum, event.ask.exclude.object_id) if event.ask.exclude else None
    asked = [*(hit.object for hit in hits[:FOLDED]), *([left_out] if left_out else [])]
    became = linked([one for one in asked if one[0] == event.museum])
    itself = became[left_out].object if left_out is not None and left_out in became else left_out
    cards = {(event.museum, PREFIX + parse_query(image.key, museum="", owner="").random) for image in event.images}
    return [hit for hit in catalogue.folded(hits, became) if hit.object != itself and hit.object not in cards]


def scope_of(event: QueryEmbedded) -> Scope:
    """Among which rows a query is searched."""
    wanted = event.ask.filter or Filter()
    left_out = event.ask.exclude
    return Scope(
        museum=event.museum,
        whose=event.ask.scope,
        classes=wanted.classes,
        museums=wanted.museums,
        period=wanted.period,
        exclude=(left_out.museum, left_out.object_id) if left_out else None,
    )


def place_of(hit: ObjectHit) -> tuple[ObjectId, str, str]:
    """Whose record is where, in which version."""
    museum, object_id = hit.object
    return hit.object, record_key(museum, object_id), hit.row.record_version


def reason_of(judged: Verdict, hits: Sequence[ObjectHit], *, narrowed: bool) -> str | None:
    """In words, why a completed search offers no class and no draft. ``narrowed``: not all that may be seen was asked for."""
    if not hits:
        within = " among what was asked for" if narrowed else ""
        return f"nothing similar: the collection has no photo{within} that you may see"
    if judged.similar is False:
        return f"nothing similar: the best score {hits[0].score:.3f} is below {judged.threshold:.3f}"
    return None


def listed(rank: int, hit: ObjectHit, record: Record | None, match: Match | None, state: Collection, museum: str) -> Hit:
    """A hit as the result lists it. That an object is catalogued already is said of the searcher's own museum alone."""
    return Hit(
        rank=rank,
        museum=hit.row.museum,
        object_id=hit.row.object_id,
        score=round(hit.score, 6),
        image=hit.row.key,
        display=f"{hit.row.sha256}/display-",
        query_image=hit.query_image,
        query_view=hit.query_view,
        view=hit.row.view,
        class_code=hit.row.class_code,
        record=dict(record.fields) if record else None,
        inliers=match.inliers if match else None,
        region=Shared(query=match.query, hit=match.candidate) if match else None,
        relation=state.relation(hit.score),
        duplicate=state.duplicate(hit.score) if hit.row.museum == museum else None,
    )
