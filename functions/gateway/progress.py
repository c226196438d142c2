"""How a query stands: one look, or a stream of looks as server-sent events, the last of them the result."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from functions.catalogue.handle import object_handle
from functions.catalogue.keys import parse_query
from functions.events import subject_of, topic
from functions.gateway.call import Answer, Asked, Call, in_thread
from functions.gateway.identity import Identity
from functions.gateway.parts import Parts
from functions.gateway.problems import not_found
from functions.gateway.queries import Asked as Question
from functions.gateway.queries import Known, Verdict
from functions.gateway.records import hits_now
from functions.gateway.shapes import Snapshot, Stage, Status
from functions.gateway.shown import photos_of, result_shown
from functions.gateway.stream import Look, Stream, message_of
from functions.gateway.watching import Watched, Watching

ID = {"id": r"[A-Za-z0-9._-]{1,64}"}
SHOWN = 10
Hits = Annotated[int, msgspec.Meta(ge=1, le=100)]
STAGES: dict[str, Stage] = {
    "image.received": "received",
    "image.preprocessed": "preprocessed",
    "query.embedded": "embedded",
}


def calls(parts: Parts) -> list[Call]:
    """The calls."""

    async def state(asked: Asked) -> Answer:
        known = await in_thread(parts.queries(asked.identity).known, asked.params["id"])
        if known is None:
            raise not_found("query")
        shown = await in_thread(snapshot_of, known, asked.identity, parts, hits=asked.query.get("hits", SHOWN))
        tagged = msgspec.to_builtins(shown)
        for moment in ("now", "expected_ms", "expected", "ahead"):
            del tagged[moment]
        return Answer(shown, tagged=tagged)

    async def events(asked: Asked) -> Response:
        known = await in_thread(parts.queries(asked.identity).known, asked.params["id"])
        if known is None:
            raise not_found("query")
        parts.limits.may_stream(asked.identity.token)
        return QueryStream(parts, asked.identity, known)

    return [
        Call(method="GET", path="/api/queries/{id}", handler=state, gives=Snapshot, pattern=ID, query={"hits": Hits},
             does="How a query stands, and its result once there is one."),
        Call(method="GET", path="/api/queries/{id}/events", handler=events, pattern=ID, produces="text/event-stream",
             does="The same as server-sent events: each `state` a whole snapshot, the last is `result`."),
    ]  # fmt: skip


def snapshot_of(known: Known, viewer: Identity, parts: Parts, *, hits: int = SHOWN) -> Snapshot:
    """A query as it stands. Reads records where more than ten hits are asked for, or the result is older than a minute."""
    result = known.result
    status, stage = standing(known, parts.watching)
    if result is not None:
        parts.recent.add(result)
    shown = None
    if result is not None and result.status == "completed":
        shown = result_shown(
            result,
            viewer.museum,
            parts.pictures,
            hits_now(result, viewer.museum, parts.published, parts.store, parts.buckets, hits=hits),
            hits=hits,
        )
    return Snapshot(
        **told_of(known, viewer, parts),
        status=status,
        stage=stage,
        now=time.time(),
        expected_ms=parts.recent.whole,
        expected=parts.recent.steps,
        ahead=parts.ahead.of(known, parts.queries(viewer), parts.watching) if stage == "waiting" else None,
        code=result.code if result else None,
        step=result.step if result else None,
        root=root_of(known),
        said=said_of(known, viewer, parts),
        result=shown,
    )


def told_of(known: Known, viewer: Identity, parts: Parts) -> dict[str, Any]:
    """What a query's state and its line in the history both say, but the status: :class:`functions.gateway.shapes.QueryShown`.

    The photo of a query for what is like another museum's object is a copy of that object's: it is shown as long as the object.
    """
    asked, result = known.asked, known.result
    copied = asked.exclude if asked is not None else None
    may = copied is None or copied[0] == viewer.museum or parts.published(*copied)
    return {
        "id": known.id,
        "uploaded_at": known.upload.modified if known.upload else None,
        "reason": result.reason if result else None,
        "photos": photos_of(result, viewer.museum, parts.pictures, of=copied) if result and may else [],
        "filename": known.filename if may else "",
        "batch": known.batch,
        "of": asked.of if asked else None,
        "like": like_of(asked),
        "scope": asked.scope if asked else "all",
        "filter": asked.filter if asked else None,
        "region": asked.region if asked else None,
    }


def like_of(asked: Question | None) -> str | None:
    """The object that a query asks more like of."""
    return object_handle(*asked.exclude) if asked is not None and asked.exclude is not None else None


def root_of(known: Known) -> str:
    """The query that the photos were given with; keys of photos that came otherwise do not say."""
    photos = known.asked.photos if known.asked is not None else ()
    given_with = parse_query(photos[0], museum="", owner="").random if photos else ""
    return given_with or known.id


def said_of(known: Known, viewer: Identity, parts: Parts) -> dict[str, Verdict]:
    """What the owner said of hits, also of those of a search of the same photos; there are none before the end."""
    queries = parts.queries(viewer)
    asked_of = dict.fromkeys((root_of(known), known.id)) if known.ended else ()
    return {hit: verdict for one in asked_of for hit, verdict in queries.said(one).items()}


def standing(known: Known, watching: Watching) -> tuple[Status, Stage]:
    """Status and stage, of what storage has and what was announced.

    Where nothing was heard, since another replica was asked before, it waits if anything does; else a step has it.
    """
    if known.result is not None:
        return known.result.status, "done"
    if known.waiting:
        return "waiting", "waiting"
    last = watching.stage(topic(subject_of(known.key)))
    if last in STAGES:
        return "running", STAGES[last]
    if known.upload is None:
        return "uploading", "uploading"
    return "running", "received" if watching.connected and watching.depth and not any(watching.depth.values()) else "waiting"


class QueryStream(Stream):
    """The stream of one query to one reader."""

    def __init__(self, parts: Parts, viewer: Identity, known: Known) -> None:
        super().__init__(parts, viewer)
        self._known = known

    @property
    def topics(self) -> tuple[str, ...]:
        """The key whose upload starts the search."""
        return (topic(subject_of(self._known.key)),)

    async def look(self, reader: Watched, *, reread: bool) -> Look:
        """How the query stands now."""
        if reread:
            known = await in_thread(self._parts.queries(self._viewer).known, self._known.id)
            if known is None:
                return Look(b"gone", b"event: gone\ndata: {}\n\n", ended=True)
            self._known = known
        shown = await in_thread(snapshot_of, self._known, self._viewer, self._parts)
        return Look(signature(shown), message_of(shown, ended=self._known.ended), ended=self._known.ended)


def signature(shown: Snapshot) -> bytes:
    """What tells one snapshot from another."""
    given = msgspec.to_builtins(shown)
    return msgspec.json.encode({name: value for name, value in given.items() if name not in ("now", "expected_ms", "expected")})
