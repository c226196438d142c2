"""Every upload that S3 acknowledged reaches exactly one result, whatever dies meanwhile."""

from __future__ import annotations

import pytest

from infra.local.stack import Stack
from tests.integration.faults.inject import PARTS
from tests.integration.faults.ledger import table
from tests.integration.faults.load import Load
from tests.integration.faults.run import drained, run
from tests.integration.faults.world import told, without

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


def test_no_upload_is_lost_or_ends_twice_while_every_part_is_killed(victim: Stack) -> None:
    """Each part eleven times: its process group, its own process, its children, a restart."""
    done = run(victim, faults=11 * len(PARTS), photos=100, seed=11, settle=180)
    print(table("kill -9", done.report))
    assert done.report.clean, table("kill -9", done.report)
    assert sum(done.faults.values()) >= 200
    assert done.report.acknowledged >= 100
    assert set(done.faults) == set(PARTS)
    assert done.tripled


def test_a_trigger_that_acks_before_the_work_is_found_out(victim: Stack) -> None:
    """The harness sees what it is made to see: here uploads are lost, and nobody raises them again."""
    with without(victim, "sweep"), told(victim, "trigger-interactive", MUSEUM_TRIGGER_ACK_FIRST="1"):
        done = run(victim, faults=6, photos=20, seed=12, settle=15, parts=("embed-interactive", "trigger-interactive"))
    print(table("ack first", done.report))
    assert done.report.lost


def test_what_was_lost_is_raised_again_by_the_sweep(victim: Stack) -> None:
    """Its events are gone with a trigger that acked first; S3 still has the photos."""
    with Load(victim, seed=13) as load:
        load.catalogue()
        ack_first = told(victim, "trigger-interactive", MUSEUM_TRIGGER_ACK_FIRST="1")
        with without(victim, "sweep"), without(victim, "embed-interactive"), ack_first:  # it goes first, with what it acked
            load.send(5)
            assert not drained(load, 15)
        assert load.in_flight > 0, "nothing was lost: the sweep has nothing to do"
        assert drained(load, 200)
        assert load.report().clean, table("sweep", load.report())
