"""A server that is away for a while, with uploads meanwhile."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from infra.local.stack import Stack
from tests.integration.faults.deliveries import Deliveries, dead
from tests.integration.faults.inject import Injector
from tests.integration.faults.ledger import Report
from tests.integration.faults.load import Load
from tests.integration.faults.run import drained

SETTLE = 240.0
"""Seconds after its return within which everything must have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What an outage cost."""

    report: Report
    waiting: int
    """Uploads that had not ended when the server returned."""
    counted: list[str]
    """Deliveries that cost their message an attempt."""
    dead: dict[str, int]
    """More messages in the dead queues than before."""
    caught_up: float
    """Seconds from the server's return to the last end."""


def outage(stack: Stack, part: str, *, seconds: float, photos: int, seed: int) -> Outage:
    """Stop a server, upload meanwhile, start it. S3 cannot take uploads while it is away: it is stopped right after them."""
    injector, before = Injector(stack), dead(stack)
    with Load(stack, seed) as load:
        load.catalogue()
        deliveries = Deliveries(stack)
        if part == "s3":
            load.send(photos)
        injector.stop(part)
        stopped = time.monotonic()
        if part != "s3":
            load.send(photos)
        threading.Event().wait(max(0.0, stopped + seconds - time.monotonic()))
        waiting = load.in_flight
        injector.start(part)
        returned = time.monotonic()
        drained(load, SETTLE)
        caught_up = time.monotonic() - returned
        more = {queue: count - before.get(queue, 0) for queue, count in dead(stack).items() if count > before.get(queue, 0)}
        counted = deliveries.counted()
        return Outage(report=load.report(), waiting=waiting, counted=counted, dead=more, caught_up=caught_up)
