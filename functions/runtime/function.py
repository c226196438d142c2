"""How any function runs: one CloudEvent in; out 204, one CloudEvent, or a batch.

``@function("embed")`` makes of a typed function a functions-framework target, which the trigger, ``curl``, Knative and Cloud
Run call alike.
"""

from __future__ import annotations

import functools
import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import functions_framework
from cloudevents.conversion import to_binary, to_json
from flask import Request, Response

from functions import pipeline
from functions.errors import Reject, Retry, Unavailable
from functions.events import (
    BucketNotified,
    Embedded,
    Event,
    ImageReceived,
    ImageRejected,
    ImageRemoved,
    ObjectChanged,
    derived_id,
)
from functions.runtime import tracing
from functions.runtime.carry import carried
from functions.runtime.envelope import Incoming, Undecodable, decode, envelope_of
from functions.runtime.log import configure, event_line
from functions.runtime.watchdog import MARGIN, Watch, Watchdog

log = logging.getLogger("museum.function")

Reply = Any
"""An event dataclass, a sequence of them, or ``None``."""


def function(name: str, *, previous: bool = False) -> Callable[[Callable[[Any], Reply]], Callable[[Request], Response]]:
    """Register ``handle`` as the step's function. ``previous`` writes the event versions of the release before.

    Where ``handle`` hangs the process ends, shortly before the trigger would give up.
    """
    step = pipeline.BY_NAME[name]
    watch = Watchdog(name, step.timeout - MARGIN)
    configure()
    tracing.prepare(f"museum-{name}")

    def register(handle: Callable[[Any], Reply]) -> Callable[[Request], Response]:
        @functools.wraps(handle)
        def target(request: Request) -> Response:
            return answer(step, handle, dict(request.headers), request.get_data(), previous=previous, watch=watch)

        registered: Callable[[Request], Response] = functions_framework.http(target)
        return registered

    return register


def answer(
    step: pipeline.Step,
    handle: Callable[[Any], Reply],
    headers: dict[str, str],
    body: bytes,
    *,
    previous: bool = False,
    watch: Watch = nullcontext,
) -> Response:
    """Run one delivery and say by the status what became of it."""
    started = time.perf_counter()
    incoming: Incoming | None = None
    try:
        incoming = decode(headers, body, consumes=step.consumes)
        with tracing.span(step.name, "server", told(step, incoming), parent=incoming.parent, seed=incoming.id) as span:
            with watch(incoming.id):
                reply = replies(step, incoming, handle)
            response = success(step, incoming.within(span.carries()), reply, started, previous=previous)
            span.tell({"http.response.status_code": response.status_code})
        outcome = "done"
    except Undecodable as error:
        outcome, response = error.code, problem(422, error.code, error.reason)
    except Unavailable as error:
        outcome, response = "unavailable", problem(503, "unavailable", str(error))
        response.headers["Museum-Unavailable"] = error.dependency
    except Retry as error:
        outcome, response = "retry", problem(500, "retry", str(error))
    except Exception as error:  # a bug counts as Retry, and must be seen: the log has its traceback
        log.exception("bug in %s", step.name)
        outcome, response = "bug", problem(500, "bug", f"{type(error).__name__}: {error}")
    event_line(log, step.name, incoming, outcome, started)
    return response


def told(step: pipeline.Step, incoming: Incoming) -> dict[str, str | int | bool]:
    """What a span tells of a delivery: never its key, which names an owner."""
    known = incoming.event if isinstance(incoming.event, Event) else None
    return {
        "http.request.method": "POST",
        "faas.name": step.name,
        "cloudevents.event_id": incoming.id,
        "cloudevents.event_type": incoming.type,
        "museum.lane": incoming.lane,
        **({"museum.upload_id": known.upload_id, "museum.purpose": known.purpose} if known else {}),
    }


def replies(step: pipeline.Step, incoming: Incoming, handle: Callable[[Any], Reply]) -> list[Any]:
    """What the handler answers, as a list; a ``Reject`` becomes ``image.rejected``."""
    try:
        reply = handle(incoming.event)
    except Reject as reject:
        reply = rejected(step.name, incoming, reject)
    if reply is None:
        return []
    return list(reply) if isinstance(reply, Sequence) else [reply]


def rejected(step: str, incoming: Incoming, reject: Reject) -> ImageRejected:
    """The event that ends an upload which can never succeed."""
    if isinstance(incoming.event, Event):
        common = carried(incoming.event)
    else:  # a notification that names no upload: its own id stands for it
        common = {
            "museum": "", "owner": "", "lane": incoming.lane, "purpose": "query",
            "upload_id": incoming.id, "bucket": "", "key": "", "version": "",
        }  # fmt: skip
    return ImageRejected(**common, step=step, code=reject.code, reason=reject.reason)


def reply_id(incoming: Incoming, event: Any) -> str:
    """The id of a reply: the same input gives the same id.

    The copies of one bucket notification differ in their bytes and must not differ here, so what ingest makes is named
    after the upload, and after the notification's sequencer. A query has one end, which ingest, search and
    finish may each announce: its announcements are named after the upload too.
    """
    if isinstance(event, Event) and event.purpose == "query" and event.TYPE in pipeline.TERMINAL:
        return derived_id(event.upload_id, event.TYPE)
    if isinstance(incoming.event, BucketNotified):
        cause = event.cause if isinstance(event, ImageReceived | ImageRemoved | ObjectChanged) else ""
        return derived_id(event.upload_id, event.TYPE, cause or (incoming.id if changed(event) else ""))
    return derived_id(incoming.id, event.TYPE, *([event.fingerprint] if isinstance(event, Embedded) else []))


def changed(event: Any) -> bool:
    """Whether an event tells of a change, which may happen again, rather than of an upload, which is one."""
    return isinstance(event, ImageRemoved | ObjectChanged)


def success(step: pipeline.Step, incoming: Incoming, reply: list[Any], started: float, *, previous: bool) -> Response:
    """204, one binary CloudEvent, or a batch."""
    unknown = [event.TYPE for event in reply if event.TYPE not in step.emits]
    if unknown:
        raise TypeError(f"{step.name} may not emit {unknown}: functions/pipeline.py allows {step.emits}")
    spent = round((time.perf_counter() - started) * 1000, 1)
    envelopes = [
        envelope_of(
            replace(event, stages={**event.stages, step.name: spent}) if isinstance(event, Event) else event,
            event_id=reply_id(incoming, event),
            step=step.name,
            traceparent=incoming.traceparent,
            tracestate=incoming.tracestate,
            previous=previous,
        )
        for event in reply
    ]
    if not envelopes:
        return Response(status=204)
    if len(envelopes) == 1:
        headers, body = to_binary(envelopes[0])
        return Response(body, status=200, headers=headers)
    batch = b"[" + b",".join(to_json(envelope) for envelope in envelopes) + b"]"
    return Response(batch, status=200, content_type="application/cloudevents-batch+json")


def problem(status: int, code: str, detail: str) -> Response:
    """An RFC 9457 problem."""
    body = json.dumps({"code": code, "detail": detail, "status": status}, ensure_ascii=False)
    return Response(body, status=status, content_type="application/problem+json")
