"""The quality tier in eight bits against itself in float32, in turn. ``pytest -s tests/benchmarks/bench_int8.py``.

One thread each; CPU time, which a busy machine changes less than the clock; the median over the pictures of the quotient of each.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from functions.adapters.onnx import CPUINFO, exact
from infra.engine import build, ranging, spec, wheels

ROUNDS = 41
MUST = 1.8
"""Times as fast; the aim is 2."""


def opened(file: Path) -> Callable[[NDArray[np.uint8]], Any]:
    """A graph on one thread, as a worker runs it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    exact(options)
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda pixels: session.run(names, {"pixels": pixels})


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_bits_are_nearly_twice_as_fast() -> None:
    """The encoder alone, which a crop asks for, and the whole graph, which a whole picture does."""
    if "vnni" not in CPUINFO.read_text():
        pytest.skip("this processor has no VNNI")
    folders = [build.build(spec.chosen(name), wheels.cache_folder()) for name in ("dinov2-focus", "dinov2-focus-int8")]
    pictures, found = ranging.compared(wheels.cache_folder()), {}
    for graph in (build.ENCODER, build.WHOLE):
        runs = [opened(folder / graph) for folder in folders]
        spent: list[list[float]] = [[], []]
        for number in range(-2, ROUNDS):
            for run, times in zip(runs, spent, strict=True):
                started = time.process_time()
                run(pictures[number : number + 1] if number >= 0 else pictures[:1])
                times.append((time.process_time() - started) * 1e3)
        quotient = statistics.median(a / b for a, b in zip(*(times[2:] for times in spent), strict=True))
        best = [min(times) for times in spent]
        found[graph] = quotient
        print(f"\n{graph}: float32 {best[0]:.1f} ms at best, eight bits {best[1]:.1f} ms; {quotient:.2f} times as fast")
    assert found[build.ENCODER] >= MUST
