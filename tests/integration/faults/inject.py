"""Faults: kill -9 of a part's process group or of one level of its processes, and restarts."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from functions import pipeline
from functions.events import LANES
from infra.local.part import Part, processes_of
from infra.local.stack import Stack
from tests.integration.faults.wait import until

PARTS = (
    *(f"{step.name}-{lane}" for lane in LANES for step in pipeline.STEPS if (step.name, lane) != ("search", "bulk")), "gateway",
    *(f"trigger-{lane}" for lane in LANES), "sweep", "triton", "milvus", "s3", "rabbitmq",
)  # fmt: skip
"""All parts but ``search-bulk``: every query is of the interactive lane."""
KINDS = ("group", "level", "level", "restart", "level", "group")
"""What is done to a part, in turn. The levels take turns too: the part's own process, its children, theirs."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to which part."""

    part: str
    kind: str
    level: int = 0
    """Depth of the processes that are killed, counted round where a part has fewer."""


def schedule(count: int, seed: int, parts: Sequence[str] = PARTS) -> Iterator[Fault]:
    """So many faults, as evenly over the parts as may be, in an order that the seed makes."""
    rng = random.Random(seed)
    left: list[str] = []
    levels = dict.fromkeys(parts, 0)
    for number in range(count):
        left = left or rng.sample(parts, len(parts))
        part = left.pop()
        kind = KINDS[(number // len(parts)) % len(KINDS)]
        if kind == "level":
            yield Fault(part, kind, levels[part])
            levels[part] += 1
        else:
            yield Fault(part, kind)


def levels_of(part: Part) -> list[list[int]]:
    """The part's processes by depth: those whose parent is not of the part, their children, theirs."""
    parents: dict[int, int] = {}
    for pid in processes_of(part.mark):
        with contextlib.suppress(OSError):
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    level = [pid for pid, parent in parents.items() if parent not in parents]
    found = []
    while level:
        found.append(level)
        level = [pid for pid, parent in parents.items() if parent in level]
    return found


class Injector:
    """Carries out faults on a running stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._parts = {part.name: part for part in stack.parts()}

    def inject(self, fault: Fault) -> None:
        """Do it. A part that is just being started again is killed as soon as it has a process."""
        part = self._parts[fault.part]
        if fault.kind == "restart":
            self.stop(part.name)
            self._stack.supervisor.start_part(part.name)
            return
        pid = until(lambda: self._stack.supervisor.processes()[part.name], 60, f"{part.name} has a process again")
        with contextlib.suppress(ProcessLookupError):
            if fault.kind == "group":
                os.killpg(pid, signal.SIGKILL)
                return
            levels = levels_of(part)
            for process in levels[fault.level % len(levels)] if levels else [pid]:
                os.kill(process, signal.SIGKILL)

    def restart(self, name: str) -> None:
        """Stop a part, start it and wait until it serves."""
        self.stop(name)
        self.start(name)

    def stop(self, name: str) -> None:
        """Stop a part and leave it stopped."""
        self._stack.supervisor.stop_part(name)

    def start(self, name: str) -> None:
        """Start a part and wait until it serves."""
        self._stack.supervisor.start_part(name)
        until(lambda: self._parts[name].ready() is None, 60, f"{name} serves")
