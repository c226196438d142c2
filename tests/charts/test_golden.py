"""A change of what the chart makes is seen in a review."""

from __future__ import annotations

import pytest

from tests.charts.golden import FOLDER, RENEW, names, summary


@pytest.mark.parametrize("name", names())
def test_the_chart_makes_what_is_written_down(name: str) -> None:
    """Objects, images, ports, names of variables, ways and numbers of pods; where the change is meant, the command renews it."""
    file = FOLDER / f"{name}.txt"
    known = file.read_text() if file.exists() else ""
    assert summary(name) == known, (
        f"the chart makes something else of {name}: if that is meant, run {RENEW} and commit {file.name}"
    )


def test_nothing_is_written_down_twice() -> None:
    """A summary without its values would be looked at by nobody."""
    assert sorted(file.stem for file in FOLDER.glob("*.txt")) == sorted(names())
