"""What processes cost, read from /proc: CPU time and memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.part import MARK, Part

TICK = 1000 / os.sysconf("SC_CLK_TCK")
"""Milliseconds of one clock tick."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of one part, all its processes together."""

    pss: float
    """Proportional: what processes share is divided among them."""
    rss: float


def processes(parts: Iterable[Part]) -> dict[str, list[int]]:
    """Process ids of each part, by one walk through /proc."""
    names = {f"{MARK}={part.mark}".encode(): part.name for part in parts}
    found: dict[str, list[int]] = {name: [] for name in names.values()}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                for variable in (entry / "environ").read_bytes().split(b"\0"):
                    if variable in names:
                        found[names[variable]].append(int(entry.name))
    return found


def cpu(pid: int) -> float:
    """Milliseconds of CPU, user and system, that a process and its ended children have used; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[place]) for place in (11, 12, 13, 14)) * TICK


def cpu_of(pids: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Milliseconds of CPU by part."""
    return {name: sum(cpu(pid) for pid in of_part) for name, of_part in pids.items()}


def memory(pids: Iterable[int]) -> Memory:
    """Memory of a part."""
    pss = rss = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
                name, value = line.split()[:2]
                pss += int(value) if name == "Pss:" else 0
                rss += int(value) if name == "Rss:" else 0
    return Memory(pss=pss / 1000, rss=rss / 1000)
