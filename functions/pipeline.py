"""THE MAP: which function consumes which event and emits which. Everything else is checked against it.

Queues, retry delays, bindings and policies are declared from here (:mod:`functions.trigger.topology`), the local
stack and the chart start one function a step, and a test walks it.
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.events import (
    LANES,
    BucketNotified,
    CatalogueEmbedded,
    DeliveryDead,
    ImageIndexed,
    ImagePreprocessed,
    ImageReceived,
    ImageRejected,
    ImageRemoved,
    Lane,
    ObjectChanged,
    QueryEmbedded,
    QueryFailed,
    SearchCompleted,
)

EXCHANGE = "museum.events"
"""Topic exchange for observers. No observer is no error."""

RETRY_DELAYS = (1, 5, 30)
"""Seconds before each further attempt; one queue a delay, since mixed TTLs block at the head of a queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One function: what it takes, what it may answer with, and its limits."""

    name: str
    consumes: tuple[str, ...]
    emits: tuple[str, ...]
    wrap: str | None = None
    """Type given to a message that is no CloudEvent; its id is the sha256 of the body."""
    timeout: float = 30.0
    """Seconds the trigger waits for an answer."""
    prefetch: int = 4
    """Deliveries at once, and threads of the function."""


STEPS: tuple[Step, ...] = (
    Step(
        name="ingest",
        consumes=(BucketNotified.TYPE,),
        emits=(ImageReceived.TYPE, ImageRemoved.TYPE, ObjectChanged.TYPE, ImageRejected.TYPE, SearchCompleted.TYPE),
        wrap=BucketNotified.TYPE,
    ),
    Step(
        name="preprocess",
        consumes=(ImageReceived.TYPE,),
        emits=(ImagePreprocessed.TYPE, ImageRejected.TYPE),
        timeout=60.0,
    ),
    Step(
        name="embed",
        consumes=(ImagePreprocessed.TYPE,),
        emits=(QueryEmbedded.TYPE, CatalogueEmbedded.TYPE, ImageReceived.TYPE, ImageRejected.TYPE),
    ),
    Step(
        name="index",
        consumes=(CatalogueEmbedded.TYPE, ImageRemoved.TYPE, ObjectChanged.TYPE),
        emits=(ImageIndexed.TYPE, ImageRejected.TYPE),
    ),
    Step(
        name="search",
        consumes=(QueryEmbedded.TYPE,),
        emits=(SearchCompleted.TYPE, ImageRejected.TYPE),
    ),
    Step(
        name="finish",
        consumes=(ImageRejected.TYPE, DeliveryDead.TYPE),
        emits=(ImageRejected.TYPE, QueryFailed.TYPE, SearchCompleted.TYPE),
    ),
)

BY_NAME: dict[str, Step] = {step.name: step for step in STEPS}

FINISH = "finish"
"""The step that is told of every dead letter."""

TERMINAL = (SearchCompleted.TYPE, ImageIndexed.TYPE, ImageRejected.TYPE, QueryFailed.TYPE)
"""Announced to observers only when they go to no further queue: that is, once what they say is stored."""


def queue_of(lane: Lane, step: str) -> str:
    """``museum.<lane>.<step>``."""
    return f"museum.{lane}.{step}"


def consumer_of(event_type: str, *, emitted_by: str) -> Step | None:
    """The step that takes an event next; ``None`` where it only goes to observers.

    finish emits the same ``image.rejected`` that it consumed, now as an announcement, so a step is never its own next.
    """
    for step in STEPS:
        if event_type in step.consumes and step.name != emitted_by:
            return None if emitted_by == FINISH else step
    return None


def announced(event_type: str, *, emitted_by: str) -> bool:
    """Whether observers get a copy."""
    return event_type not in TERMINAL or consumer_of(event_type, emitted_by=emitted_by) is None


def queues() -> tuple[str, ...]:
    """All work queues of both lanes."""
    return tuple(queue_of(lane, step.name) for lane in LANES for step in STEPS)
