"""How a query stands: one look, or a stream of looks as server-sent events, the last of them the result."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from functions.errors import MuseumError
from functions.events import subject_of, topic
from functions.gateway import metrics
from functions.gateway.call import Answer, Asked, Call, in_thread
from functions.gateway.identity import Identity
from functions.gateway.parts import Parts
from functions.gateway.problems import not_found
from functions.gateway.queries import Known
from functions.gateway.records import record_of
from functions.gateway.shapes import Snapshot, Stage, Status
from functions.gateway.shown import photos_of, result_shown
from functions.gateway.watching import Watched

ID = {"id": r"[A-Za-z0-9._-]{1,64}"}
HEARTBEAT = 15.0
"""Seconds without news after which a comment shows that the connection is alive; storage is read again then too."""
BOUND = 2.0
"""Seconds that a stream waits for its binding before it begins; later it is told to read again."""
SLOW = 10.0
"""Seconds that a reader may take for one message before it is let go: it comes again, and gets the state at once."""
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
        return Stream(parts, asked.identity, known)

    return [
        Call(method="GET", path="/api/queries/{id}", handler=state, gives=Snapshot, pattern=ID, query={"hits": Hits},
             does="How a query stands, and its result once there is one."),
        Call(method="GET", path="/api/queries/{id}/events", handler=events, pattern=ID, produces="text/event-stream",
             does="The same as server-sent events: each `state` a whole snapshot, the last is `result`."),
    ]  # fmt: skip


def snapshot_of(known: Known, viewer: Identity, parts: Parts, *, reader: Watched | None = None, hits: int = SHOWN) -> Snapshot:
    """A query as it stands. Reads records where more than ten hits are asked for."""
    asked, result = known.asked, known.result
    status, stage = standing(known, reader.stage if reader else None)
    if result is not None:
        parts.recent.add(result)
    shown = None
    if result is not None and result.status == "completed":
        shown = result_shown(
            result,
            viewer.museum,
            parts.pictures,
            hits=hits,
            record=lambda hit: record_of(hit, viewer.museum, parts.store, parts.buckets),
        )
    return Snapshot(
        id=known.id,
        status=status,
        stage=stage,
        uploaded_at=known.upload.modified if known.upload else None,
        now=time.time(),
        expected_ms=parts.recent.whole,
        expected=parts.recent.steps,
        ahead=ahead(status, stage, parts),
        reason=result.reason if result else None,
        code=result.code if result else None,
        step=result.step if result else None,
        photos=photos_of(result, viewer.museum, parts.pictures) if result else [],
        filename=asked.filename if asked else known.key.rpartition("/")[2],
        batch=asked.batch if asked else "",
        scope=asked.scope if asked else "all",
        filter=asked.filter if asked else None,
        region=asked.region if asked else None,
        of=asked.of if asked else None,
        result=shown,
    )


def standing(known: Known, last: str | None) -> tuple[Status, Stage]:
    """Status and stage, of what storage has and the last announcement."""
    if known.result is not None:
        return known.result.status, "done"
    if known.waiting:
        return "waiting", "waiting"
    if last in STAGES:
        return "running", STAGES[last]
    if known.upload is None:
        return "uploading", "uploading"
    return "running", "waiting"


def ahead(status: Status, stage: Stage, parts: Parts) -> int | None:
    """How many are before a query that no step has seen yet: what waits in its lane's queues."""
    if status not in ("running", "waiting") or stage != "waiting" or not parts.watching.connected:
        return None
    return sum(parts.watching.depth.values())


class Stream(Response):
    """The stream of one query to one reader. What cannot be sent in time ends it: nothing is kept for a slow reader."""

    def __init__(self, parts: Parts, viewer: Identity, known: Known) -> None:
        super().__init__(media_type="text/event-stream")
        self._parts = parts
        self._viewer = viewer
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the result is there, the reader goes, or the process ends."""
        with self._parts.limits.stream(self._viewer.token), metrics.STREAMS.track_inprogress():
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            gone = asyncio.create_task(left(receive))
            sending = asyncio.create_task(self._send(send))
            try:
                await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (gone, sending):
                    task.cancel()
                await asyncio.gather(gone, sending, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        with contextlib.suppress(TimeoutError, OSError):
            async for message in self._messages():
                await asyncio.wait_for(send({"type": "http.response.body", "body": message, "more_body": True}), SLOW)
        await asyncio.wait_for(send({"type": "http.response.body", "body": b"", "more_body": False}), SLOW)

    async def _messages(self) -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        last = b""
        queries = self._parts.queries(self._viewer)
        async with self._parts.watching.look(topic(subject_of(self._known.key))) as reader:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.bound.wait(), BOUND)
            reread = True
            while not self._parts.closing.is_set():
                if reread:
                    with contextlib.suppress(MuseumError):  # S3 is away for a moment: what is known is still true
                        known = await in_thread(queries.known, self._known.id)
                        if known is None:
                            yield b"event: gone\ndata: {}\n\n"
                            return
                        self._known = known
                shown = await in_thread(snapshot_of, self._known, self._viewer, self._parts, reader=reader)
                message = encoded(shown, ended=self._known.ended)
                if signature(shown) != last:
                    last = signature(shown)
                    yield message
                if self._known.ended:
                    return
                news = await reader.wait(HEARTBEAT)
                reread = not news or reader.must_read()
                if not news:
                    yield b": still here\n\n"


def signature(shown: Snapshot) -> bytes:
    """What tells one snapshot from another."""
    given = msgspec.to_builtins(shown)
    return msgspec.json.encode({name: value for name, value in given.items() if name not in ("now", "expected_ms", "expected")})


def encoded(shown: Snapshot, *, ended: bool) -> bytes:
    """A snapshot as one server-sent event."""
    return b"event: %b\ndata: %b\n\n" % (b"result" if ended else b"state", msgspec.json.encode(shown))


async def left(receive: Receive) -> None:
    """Until the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
