"""``make bench``: all measurements in one run. Nothing is asserted of times, which are the machine's."""

from __future__ import annotations

import pytest

from tests.benchmarks.__main__ import run
from tests.benchmarks.measure import Plan


@pytest.mark.timeout(1200)
@pytest.mark.slow
def test_the_pipeline_beside_straight_loops() -> None:
    """Prints the table; fails where a photo is lost or the vectors are others than a naive loop's."""
    found = run(Plan())
    assert min(found.cosines) >= 0.99
