"""finish: what can never succeed, or whose worker is dead, ends in a result with its reason. Nobody waits for the dead."""

from __future__ import annotations

import json
import time
from typing import Any

from functions import outcome
from functions.bucket_events import parse
from functions.errors import Reject
from functions.events import (
    BucketNotified,
    DeliveryDead,
    Event,
    ImageRejected,
    QueryFailed,
    SearchCompleted,
    derived_id,
)
from functions.outcome import Outcome
from functions.ports import ObjectStore
from functions.results import Result, announcement, store_result
from functions.runtime.attributes import trace_id
from functions.runtime.carry import carried
from functions.runtime.envelope import Undecodable, typed
from functions.runtime.settings import Buckets
from functions.uploads import common_of, rejected_record

Ended = ImageRejected | QueryFailed
Finished = Ended | SearchCompleted


def finish(
    event: ImageRejected | DeliveryDead, *, store: ObjectStore, buckets: Buckets, museum: str, owner: str
) -> list[Finished]:
    """Store the end of each upload that the event tells of, and announce it."""
    if isinstance(event, ImageRejected):
        return [ended(event, store=store, buckets=buckets)]
    ends = ends_of(event, buckets=buckets, museum=museum, owner=owner)
    if not ends:
        keep_unreadable(event, store=store, bucket=buckets.state)
    return [ended(one, store=store, buckets=buckets) for one in ends]


def ended(event: Ended, *, store: ObjectStore, buckets: Buckets) -> Finished:
    """Store one end. An upload that has a better one already is announced as that."""
    if not event.key:
        keep_unreadable(event, store=store, bucket=buckets.state)
        return event
    if event.purpose == "catalogue":
        earlier = outcome.read(store, buckets.state, event.upload_id)
        if earlier is None or earlier.status in ("failed", "rejected"):
            outcome.write(store, buckets.state, outcome_of(event))
        return event
    stored = store_result(store, buckets.results, result_of(event))
    return announcement(stored, carried(event), bucket=buckets.results)


def result_of(event: Ended) -> Result:
    """The result of a query that was not searched."""
    return Result(
        query_id=event.upload_id,
        museum=event.museum,
        owner=event.owner,
        status=event.status,
        bucket=event.bucket,
        key=event.key,
        version=event.version,
        reason=event.reason,
        code=event.code,
        step=event.step,
        stages=event.stages,
        received_at=event.received_at,
        completed_at=time.time(),
        trace=event.trace,
    )


def outcome_of(event: Ended) -> Outcome:
    """The outcome of a catalogue photo that is not findable."""
    return outcome.ended(event, event.status, step=event.step, code=event.code, reason=event.reason)


def ends_of(event: DeliveryDead, *, buckets: Buckets, museum: str, owner: str) -> list[Ended]:
    """The end of each upload that a dead delivery was about; none where it cannot be read."""
    kind, data = str(event.event.get("type", "")), event.event.get("data")

    trace = trace_id(str(event.event.get("traceparent", "")))

    def failed(common: dict[str, Any]) -> QueryFailed:
        return QueryFailed(**{**common, "trace": trace}, step=event.step, code="worker-dead", reason=event.reason)

    try:
        dead = typed(kind, data, consumes=(kind,))
        if isinstance(dead, Event):
            return [failed(carried(dead))]
        if isinstance(dead, BucketNotified):
            told = parse(dead.body)
            made = [failed(common_of(one, buckets, museum, owner)) for one in told.changes if one.kind == "created"]
            return [*made, *(rejected_record(record) for record in told.unreadable)]
    except (Undecodable, Reject):
        pass  # nothing in it names an upload: it is kept as it is, with the reason it died of
    return []


def keep_unreadable(event: ImageRejected | QueryFailed | DeliveryDead, *, store: ObjectStore, bucket: str) -> None:
    """What names no upload is kept in ``state`` with its reason, since no result can carry it."""
    if isinstance(event, DeliveryDead):
        name, kept = derived_id(str(event.event.get("id", "")), event.TYPE), event.event
    else:
        name, kept = event.upload_id, {}
    body = json.dumps({"step": event.step, "reason": event.reason, "event": kept}, ensure_ascii=False)
    store.put(bucket, f"unreadable/{name}.json", body.encode(), content_type="application/json")
