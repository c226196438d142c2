"""One run: uploads go on while faults happen; then everything must end."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from functions import pipeline
from functions.events import LANES
from infra.local.stack import Stack
from tests.integration.faults.inject import PARTS, Fault, Injector, schedule
from tests.integration.faults.ledger import EXPECTED, Report
from tests.integration.faults.load import Load
from tests.integration.faults.repeat import ENDS_IN, thrice
from tests.integration.faults.wait import until

IN_FLIGHT = 10
"""Uploads on their way at each fault, at least."""
BURST = 0.3
"""Share of the faults that follow at once on the one before; the others wait until the pipeline works again."""
WORKS_AGAIN = 30.0
"""Seconds after which the next fault comes although no upload has ended since the last."""
DUPLICATED = tuple((step.name, lane) for step in pipeline.STEPS for lane in LANES if (step.name, lane) != ("search", "bulk"))
"""Queues whose messages are delivered three times, in turn."""

Say = Callable[[str], None]


def silent(_line: str) -> None:
    """Say nothing."""


@dataclass(slots=True, kw_only=True)
class Run:
    """A report, and what was done to the stack."""

    report: Report
    faults: Counter[str] = field(default_factory=Counter)
    """By part."""
    tripled: Counter[str] = field(default_factory=Counter)
    """Messages delivered three times, by queue."""
    seconds: float = 0.0


def run(
    stack: Stack, *, faults: int, photos: int, seed: int, settle: float, say: Say = silent, parts: Sequence[str] = PARTS
) -> Run:
    """Keep more than ten uploads on their way, inject the faults, upload until ``photos`` are acknowledged, and wait ``settle``
    seconds for the last end.
    """
    started = time.monotonic()
    rng, injector, pause = random.Random(seed), Injector(stack), threading.Event()
    done: Counter[str] = Counter()
    tripled: Counter[str] = Counter()
    with Load(stack, seed) as load:
        load.catalogue()
        load.keep(IN_FLIGHT + 2)
        for number, fault in enumerate(schedule(faults, seed, parts)):
            until(lambda: load.in_flight >= IN_FLIGHT, 120, f"{IN_FLIGHT} uploads are in flight")
            if rng.random() > BURST:
                something_ends(load)
            pause.wait(rng.uniform(0, 1.0))
            step, lane = DUPLICATED[number % len(DUPLICATED)]
            tripled[thrice(stack, step, lane, load.a_notification(ENDS_IN.get(step, tuple(EXPECTED)), lane))] += 1
            if fault.part == "s3":  # so that it dies while it takes uploads, which happen seldom while all wait for it
                load.keep(IN_FLIGHT + 5)
                pause.wait(rng.uniform(0, 0.1))
            injector.inject(fault)
            load.keep(IN_FLIGHT + 2)
            done[fault.part] += 1
            say(line(number + 1, fault, load, started))
        until(lambda: load.acknowledged >= photos, 300, f"{photos} uploads are acknowledged")
        load.keep(0)
        drained(load, settle)
        del tripled[""]
        return Run(report=load.report(), faults=done, tripled=tripled, seconds=time.monotonic() - started)


def something_ends(load: Load) -> None:
    """Wait until an upload ends: what is killed next had work in hand."""
    before = load.ended
    with contextlib.suppress(TimeoutError):
        until(lambda: load.ended > before, WORKS_AGAIN, "an upload ends")


def drained(load: Load, settle: float) -> bool:
    """Whether every upload ended in time."""
    try:
        return until(lambda: not load.in_flight, settle, "every upload has ended")
    except TimeoutError:
        return False


def line(number: int, fault: Fault, load: Load, started: float) -> str:
    """A fault for people."""
    what = f"{fault.kind} {fault.level}" if fault.kind == "level" else fault.kind
    return (
        f"{time.monotonic() - started:6.1f} s  {number:3} {fault.part:24}{what:10}"
        f"{load.acknowledged:5} acknowledged {load.in_flight:3} in flight"
    )
