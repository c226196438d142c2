"""One's own queries: the list, what a person says of a hit, and erasing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Annotated

import msgspec

from functions.catalogue.keys import born
from functions.gateway.call import Answer, Asked, Call, in_thread
from functions.gateway.handles import object_of
from functions.gateway.identity import Identity
from functions.gateway.paging import AT_ONCE, LIMIT, LOOKED_AT, Limit
from functions.gateway.parts import Parts
from functions.gateway.problems import Problem, not_found
from functions.gateway.progress import ID, standing, told_of
from functions.gateway.queries import Known
from functions.gateway.records import hits_now
from functions.gateway.shapes import Erased, Feedback, History, Listed, Top
from functions.gateway.shown import is_similar, top_of
from functions.results import Result

Cursor = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Za-z0-9._-]+$(?!\n)")]


def calls(parts: Parts) -> list[Call]:
    """The calls."""

    async def history(asked: Asked) -> Answer:
        return Answer(await in_thread(page, parts, asked.identity, **asked.query))

    async def erase(asked: Asked) -> Answer:
        queries = parts.queries(asked.identity)
        if await in_thread(queries.known, asked.params["id"]) is None:
            raise not_found("query")
        return Answer(Erased(queries=await in_thread(queries.erase, asked.params["id"])))

    async def feedback(asked: Asked) -> Answer:
        given: Feedback = asked.body
        museum, object_id = object_of(given.object)
        queries = parts.queries(asked.identity)
        known = await in_thread(queries.known, asked.params["id"])
        if known is None:
            raise not_found("query")
        hits = known.result.hits if known.result else []
        if not any((hit.museum, hit.object_id) == (museum, object_id) for hit in hits):
            raise Problem(422, "not-a-hit", "expected an object that this query found")
        await in_thread(queries.say, asked.params["id"], museum, object_id, given.is_)
        return Answer(status=204)

    query = {"cursor": Cursor, "limit": Limit, "batch": Annotated[str, msgspec.Meta(max_length=200)]}
    return [
        Call(method="GET", path="/api/queries", handler=history, gives=History, query=query, does="My queries, newest first."),
        Call(method="DELETE", path="/api/queries/{id}", handler=erase, gives=Erased, pattern=ID,
             does="Erases a query, its photos and its result, and with it every query of the same photos: parts of them, and "
                  "searches within a filter. Answers how many went. What was made of the photos goes within an hour."),
        Call(method="POST", path="/api/queries/{id}/feedback", handler=feedback, takes=Feedback, status=204, pattern=ID,
             does="This hit is the same object, or another: kept with who said it and when."),
    ]  # fmt: skip


def page(parts: Parts, viewer: Identity, cursor: str | None = None, limit: int = LIMIT, batch: str | None = None) -> History:
    """One page. Where a batch is asked for, it may have few items or none and yet a next one."""
    queries = parts.queries(viewer)
    ids, more = queries.page(after=cursor, limit=limit if batch is None else LOOKED_AT)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [known for known in pool.map(queries.known, ids) if known is not None]
        if batch is not None:
            found = [known for known in found if known.asked is not None and known.asked.batch == batch]
        items = list(pool.map(lambda known: listed(known, viewer, parts), found))
    return History(items=items, next=ids[-1] if more else None)


def listed(known: Known, viewer: Identity, parts: Parts) -> Listed:
    """One query, for a list. Reads the first hit's record, since a list is of old results mostly."""
    result = known.result
    return Listed(
        **told_of(known, viewer, parts),
        status=standing(known, parts.watching)[0],
        created=known.asked.created if known.asked else born(known.id),
        top=top_now(result, viewer, parts) if result and is_similar(result) else None,
        duplicate=any(hit.duplicate and hit.museum == viewer.museum for hit in result.hits) if result else False,
    )


def top_now(result: Result, viewer: Identity, parts: Parts) -> Top:
    """The first hit, as far as it may be seen now."""
    first = replace(result, hits=result.hits[:1])
    (now,) = hits_now(first, viewer.museum, parts.published, parts.store, parts.buckets, hits=1)
    return top_of(first, viewer.museum, parts.pictures, now)
