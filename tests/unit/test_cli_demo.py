"""What the demo demands of what it found."""

from __future__ import annotations

import pytest

from functions.catalogue.threshold import Verdict
from functions.cli.client import Found
from functions.cli.demo import as_data, problems_of, report_problems
from functions.cli.importing import Report
from functions.results import Hit, Result


def found(*objects: str, similar: bool | None) -> Found:
    """A search that found objects, and says whether they are similar."""
    hits = [
        Hit(
            rank=rank, museum="local", object_id=name, score=0.9, image="", display="", query_image=0, view="whole", class_code=1
        )
        for rank, name in enumerate(objects, 1)
    ]  # fmt: skip
    verdict = None if similar is None else Verdict(similar=similar, threshold=0.5, collection_size=330)
    result = Result(
        query_id="q", museum="local", owner="local", status="completed", bucket="queries", key="k", version="1", hits=hits,
        verdict=verdict,
    )  # fmt: skip
    return Found("photo.jpg", 0.5, result)


GOOD = found("coin", "medal", similar=True)
STRANGER = found("medal", similar=False)


def test_the_object_first_and_the_stranger_refused_is_as_expected() -> None:
    """Exit code 0."""
    assert problems_of(GOOD, STRANGER, "coin") == []


@pytest.mark.parametrize(
    ("known", "stranger", "problem"),
    [
        (found("medal", "coin", similar=True), STRANGER, "expected coin first, found medal"),
        (found(similar=True), STRANGER, "expected coin first, found nothing"),
        (found("coin", similar=False), STRANGER, "expected the changed copy to be called similar"),
        (found("coin", similar=None), STRANGER, "expected the changed copy to be called similar"),
        (GOOD, found("coin", similar=True), "expected the stranger to be refused"),
        (GOOD, found(similar=None), "expected the stranger to be refused"),
    ],
)
def test_anything_else_is_a_problem(known: Found, stranger: Found, problem: str) -> None:
    """Exit code 1, and it is said what differs."""
    assert problems_of(known, stranger, "coin") == [problem]


def test_what_was_not_imported_is_a_problem() -> None:
    """Each with its reason."""
    report = Report(photos=2, findable=1, failures=[{"what": "coin: a.jpg", "reason": "expected a photo"}])
    assert report_problems(report) == ["not imported: coin: a.jpg: expected a photo"]
    assert report_problems(Report(photos=1, findable=1)) == []


def test_for_programs_it_prints_the_import_and_both_results() -> None:
    """And the problems, of which there are none."""
    data = as_data(Report(photos=2, findable=2), GOOD, STRANGER, [])
    assert data["import"]["findable"] == 2
    assert data["known"]["hits"][0]["object_id"] == "coin"
    assert data["stranger"]["verdict"]["similar"] is False
    assert data["problems"] == []
