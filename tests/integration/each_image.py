"""Preprocess every file of a folder, each in a process of its own: ``python -m tests.integration.each_image FOLDER``.

Prints one JSON line a file. A process of its own, since a decoder that crashes takes its process along, and memory has a peak
a process.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from functions.errors import Reject
from functions.pixels import pixels
from functions.preprocess.decode import decode, limits_by_lane
from functions.preprocess.display import copies
from functions.preprocess.memory import give_back_large_blocks

LIMITS = limits_by_lane(40_000_000, 200_000_000)["interactive"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one file. ``code`` is empty for a picture, ``crash`` where its process died."""

    name: str
    code: str
    reason: str = ""
    seconds: float = 0.0
    peak_mb: float = 0.0
    """Of the whole process."""


def peak_mb() -> float:
    """The most memory that this process ever had, in MB. (``ru_maxrss`` would count what the parent had before it.)"""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024 / 1e6


def outcome_of(file: Path, name: str) -> Outcome:
    """Decode one file and make all that preprocess makes."""
    started, code, reason = time.perf_counter(), "", ""
    try:
        picture = decode(file.read_bytes(), LIMITS)
        copies(picture.image)
        pixels(picture.image)
    except Reject as refused:
        code, reason = refused.code, refused.reason
    return Outcome(name=name, code=code, reason=reason, seconds=time.perf_counter() - started, peak_mb=peak_mb())


def in_a_child(file: Path, name: str) -> Outcome:
    """The same in a fork of this process."""
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)
    child = context.Process(target=lambda: theirs.send(outcome_of(file, name)))
    child.start()
    theirs.close()
    try:
        return mine.recv() if mine.poll(60) else Outcome(name=name, code="crash", reason="no answer after 60 s")
    except EOFError:
        return Outcome(name=name, code="crash", reason="its process died")
    finally:
        child.kill()
        child.join()


def side_by_side(folder: Path, threads: int) -> Outcome:
    """All files of a folder in one process by several threads, as a function takes them."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    with ThreadPoolExecutor(threads) as pool:
        codes = [done.code for done in pool.map(lambda file: outcome_of(file, file.name), files)]
    return Outcome(name=f"{threads} threads", code=" ".join(codes), peak_mb=peak_mb())


def main(folder: Path, threads: int) -> None:
    """Entry point."""
    give_back_large_blocks()
    if threads:
        print(json.dumps(asdict(side_by_side(folder, threads))))
        return
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            print(json.dumps(asdict(in_a_child(file, str(file.relative_to(folder))))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
