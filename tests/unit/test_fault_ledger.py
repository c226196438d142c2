"""What the fault harness counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.faults.inject import PARTS, schedule
from tests.integration.faults.ledger import Announced, End, Upload, report

DONE = End(status="completed", reason="", version="v", first="vase")
GOOD = Upload(
    kind="query", bucket="queries", key="k", version="e", size=1, upload_id="q", object_id="vase", acknowledged=True, end=DONE
)
TOLD = Announced("search.completed.v1", "1", "{}")


def test_an_upload_with_the_end_it_must_have_is_clean() -> None:
    """Also when its announcement is repeated, word for word."""
    found = report([GOOD], stored={"q": "v"}, there={"q"}, announced={"q": [TOLD, TOLD]})
    assert found.clean
    assert (found.attempted, found.acknowledged, found.completed, found.repeated) == (1, 1, 1, 1)


@pytest.mark.parametrize("end", [None, replace(DONE, status="failed"), replace(DONE, status="rejected")])
def test_a_valid_photo_without_a_completed_result_is_lost(end: End | None) -> None:
    """Failed and rejected ones too."""
    found = report([replace(GOOD, end=end)], stored={}, there={"q"}, announced={})
    assert len(found.lost) == 1


def test_an_upload_that_s3_did_not_acknowledge_is_not_lost() -> None:
    """And its result, should S3 have it, is not unexpected."""
    found = report([replace(GOOD, acknowledged=False, end=None)], stored={"q": "v"}, there={"q"}, announced={})
    assert found.clean
    assert (found.attempted, found.acknowledged) == (1, 0)


@pytest.mark.parametrize(("stored", "first"), [({"q": "v", "stranger": "v"}, "vase"), ({"q": "v"}, "coin"), ({"q": "v"}, "")])
def test_a_result_that_nobody_asked_for_or_with_the_wrong_object_is_unexpected(stored: dict[str, str], first: str) -> None:
    """A search in an empty index finds nothing, which is wrong too."""
    found = report([replace(GOOD, end=replace(DONE, first=first))], stored=stored, there={"q"}, announced={})
    assert len(found.unexpected) == 1


@pytest.mark.parametrize(
    ("stored", "second"),
    [({"q": "other"}, TOLD), ({"q": "v"}, replace(TOLD, id="2")), ({"q": "v"}, replace(TOLD, data='{"a": 1}'))],
)
def test_a_result_written_twice_or_announced_differently_is_duplicated(stored: dict[str, str], second: Announced) -> None:
    """Another id or other data is another announcement."""
    found = report([GOOD], stored=stored, there={"q"}, announced={"q": [TOLD, second]})
    assert len(found.duplicated) == 1


def test_a_schedule_hits_each_part_equally_often() -> None:
    """380 faults are 20 on each part, with every kind among them."""
    faults = list(schedule(380, seed=1))
    assert {part: sum(fault.part == part for fault in faults) for part in PARTS} == dict.fromkeys(PARTS, 20)
    for part in PARTS:
        assert {(fault.kind, min(fault.level, 2)) for fault in faults if fault.part == part} >= {
            ("group", 0), ("restart", 0), ("level", 0), ("level", 1), ("level", 2),
        }  # fmt: skip
