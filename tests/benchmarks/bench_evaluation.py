"""How well each tier finds things: the README's table of quality. ``pytest -s tests/benchmarks/bench_evaluation.py``.

The evaluation half of ../shared/getty (sha1 of the object_id is odd) among all of its objects and the demo's photographs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.evaluation import report
from infra.evaluation.run import Asked, evaluated

GETTY = Path(__file__).parents[3] / "shared" / "getty"
FLOORS = {"copy": (1, 0.96), "wall": (1, 0.80), "views": (10, 0.45)}
"""Set → (rank, recall) that the quality tier with both views must reach."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("model", "crop"), [("quality", True), ("quality", False), ("fast", False)])
def test_the_evaluation_half_of_getty_is_found(model: str, crop: bool) -> None:
    """Figures with their intervals; the floors are those of the quality tier with both views."""
    if not GETTY.is_dir():
        pytest.skip("no ../shared/getty")
    made = evaluated(
        Asked(
            dataset=GETTY, galleries=("demo",), model=model, against=None, variants=10, kinds=("copy", "wall", "phone"),
            split="test", crop=crop, strangers=None, seed=2026, sheet=None, workers=2,
        )
    )  # fmt: skip
    print(f"\n{model}, {'full+crop' if crop else 'full'}", *report.table(made), sep="\n")
    if model == "quality" and crop:
        for one in made.sets:
            if one.name in FLOORS:
                rank, floor = FLOORS[one.name]
                assert one.recall[rank].value >= floor, f"{one.name}: R@{rank} {one.recall[rank]}"
