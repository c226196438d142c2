"""How many are before a query that no step has seen yet. What is not known is not guessed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from functions.events import LANES
from functions.gateway.queries import Known, Queries
from functions.pipeline import queue_of
from functions.runtime.recent import Recent

if TYPE_CHECKING:
    from functions.gateway.watching import Watching

STEPS = ("ingest", "preprocess", "embed", "search")
"""What a query passes on its way: messages of others are not before it."""
SEEN_FROM = 5.0
"""Seconds after its upload within which a query must first be looked at: of a later look nobody knows what came after it."""
CURRENT = 5.0
"""Seconds for which a depth is that of now: it is asked for each second while anybody looks."""
QUEUES = frozenset(queue_of(lane, step) for lane in LANES for step in STEPS)


class Ahead:
    """What was told of each query, by its id: one that is in a queue is never told more than before. Thread-safe."""

    def __init__(self, size: int = 10_000) -> None:
        self._told: Recent[str, int] = Recent(size)

    def of(self, known: Known, queries: Queries, watching: Watching) -> int | None:
        """The number, of a query that waits; ``None`` where it is not known. Lists what waits outside the queues."""
        queued = in_queues(watching)
        if queued is None:
            return None
        number = queries.before(known.id) + queued if known.waiting else self._in_queue(known, queued)
        if number is not None:
            self._told.put(known.id, number)
        return number

    def _in_queue(self, known: Known, queued: int) -> int | None:
        """What was there when it came, as far as it is there still; its own message is one of them."""
        others, told = max(0, queued - 1), self._told.get(known.id)
        if told is not None:
            return min(told, others)
        return others if known.upload is not None and time.time() - known.upload.modified <= SEEN_FROM else None


def in_queues(watching: Watching) -> int | None:
    """Messages that wait on a query's way; ``None`` where that is not known now."""
    if not watching.connected or time.monotonic() - watching.depth_at > CURRENT:
        return None
    return sum(depth for queue, depth in watching.depth.items() if queue in QUEUES)
