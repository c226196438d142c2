"""A dead dependency kills no message: nothing is counted, nothing dies, and all catches up when it is back."""

from __future__ import annotations

import os

import pytest

from infra.local.stack import Stack
from tests.integration.faults.ledger import table
from tests.integration.faults.outage import SETTLE, outage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECONDS = float(os.environ.get("MUSEUM_TEST_OUTAGE_SECONDS", "60"))
PHOTOS = int(os.environ.get("MUSEUM_TEST_OUTAGE_PHOTOS", "100"))


@pytest.mark.parametrize(
    ("part", "seed", "waiting"), [("milvus", 21, PHOTOS), ("triton", 22, PHOTOS), ("rabbitmq", 23, PHOTOS), ("s3", 24, 1)]
)
def test_an_outage_costs_no_attempt_and_no_upload(victim: Stack, part: str, seed: int, waiting: int) -> None:
    """Uploads meanwhile; for S3, uploads that are on their way when it goes."""
    cost = outage(victim, part, seconds=SECONDS, photos=PHOTOS, seed=seed)
    print(table(f"{part} away {SECONDS:.0f} s", cost.report), f"caught up after {cost.caught_up:.1f} s", sep="\n")
    assert cost.waiting >= waiting, "the outage was none"
    assert cost.report.clean, table(part, cost.report)
    assert cost.counted == []
    assert cost.dead == {}
    assert cost.caught_up < SETTLE
