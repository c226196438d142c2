"""Which uploads have ended."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from uuid import UUID

import pytest

from functions import outcome
from functions.ends import Ends
from functions.events import upload_id
from functions.ports import ObjectInfo


def info(key: str, modified: float = 0.0) -> ObjectInfo:
    """A listed object."""
    return ObjectInfo(bucket="state", key=key, version="1", size=1, modified=modified)


IDS = sorted(upload_id("queries", f"a/{number}", "1") for number in range(500))


@pytest.mark.parametrize("order", ["listed", "shuffled"])
def test_each_that_has_ended_is_met_and_the_others_are_left(order: str) -> None:
    """In whatever order a store lists."""
    listed = [info(outcome.key_of(identity)) for identity in IDS]
    if order == "shuffled":
        random.Random(1).shuffle(listed)
    ends = Ends(listed)
    assert len(ends) == 500
    assert all(ends.meet(identity) for identity in IDS[::2])
    assert not ends.meet(upload_id("queries", "another", "1"))
    assert list(ends.unmet()) == IDS[1::2]


def test_ids_whose_first_halves_are_the_same_are_two() -> None:
    """None has been seen yet."""
    one, other, third = (str(UUID(int=(7 << 64) + low)) for low in (1, 2, 3))
    ends = Ends([info(f"{one}.json"), info(f"{other}.json")])
    assert (ends.meet(other), ends.meet(third)) == (True, False)
    assert list(ends.unmet()) == [one]


def test_objects_of_other_names_are_nobodys_end() -> None:
    """Somebody put them there."""
    assert len(Ends([info("README.md"), info("outcomes/x.json"), info(f"{IDS[0]}.json")])) == 1


def test_those_that_ended_of_late_are_told_with_their_time() -> None:
    """They say how far the work is."""
    ends = Ends([info(f"{identity}.json", modified=float(number)) for number, identity in enumerate(IDS)], since=498.0)
    assert ends.recent == {IDS[498]: 498.0, IDS[499]: 499.0}


def test_an_end_takes_a_few_bytes() -> None:
    """Of 45 million a sweep has all at once: a dict took 140 each."""
    count = 100_000

    def listed() -> Iterator[ObjectInfo]:
        for number in range(count):
            yield info(f"{UUID(int=number << 100)}.json")

    tracemalloc.start()
    try:
        ends = Ends(listed())
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ends) == count
    assert taken / count < 20
