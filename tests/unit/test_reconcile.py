"""The sweep: what was lost is raised again, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from functions.bucket_events import notification
from functions.events import BucketNotified
from functions.reconcile import Sweep, everything, missing
from tests.unit.world import BUCKETS, World

LATER = 4e9
"""A time at which everything is older than ten seconds."""


def raise_again(world: World) -> int:
    """Do what `museum reconcile --fix` does; returns how many were missing."""
    found = list(missing(world.store, BUCKETS, now=LATER))
    for one in found:
        world.queue.append((BucketNotified.TYPE, BucketNotified(body=notification(one.change))))
    world.run()
    return len(found)


def test_nothing_is_missing_once_everything_has_ended() -> None:
    """Photos, records, queries and rejected ones all have an outcome."""
    world = World()
    world.add("vase", 10, Name="Ваза")
    world.query(10)
    world.run()
    assert list(missing(world.store, BUCKETS, now=LATER)) == []


def test_lost_events_are_raised_again_and_end() -> None:
    """RabbitMQ was wiped with everything in it."""
    world = World()
    world.add("vase", 10, Name="Ваза")
    query = world.query(10)
    world.queue.clear()
    assert raise_again(world) == 3
    assert world.result(query)["status"] == "completed"
    assert raise_again(world) == 0


def test_what_is_younger_than_ten_seconds_is_left_in_peace() -> None:
    """Its event is on its way."""
    world = World()
    world.query(10)
    world.queue.clear()
    assert list(missing(world.store, BUCKETS)) == []


def test_parts_of_a_query_are_not_missed() -> None:
    """They trigger nothing and have no outcome."""
    world = World()
    world.put("queries", "local/me/r1/parts/1.jpg", b"x")
    assert list(missing(world.store, BUCKETS, now=LATER)) == []


def test_an_upload_that_waits_in_a_long_queue_is_raised_once_in_five_minutes() -> None:
    """Not once a minute, or the queue would grow."""
    world = World()
    world.query(10)
    for key, stored in world.store._buckets["queries"].items():
        world.store._buckets["queries"][key] = replace(stored, info=replace(stored.info, modified=0.0))
    sweep = Sweep(world.store, BUCKETS)
    (one,) = sweep.due()
    sweep.raised(one)
    assert sweep.due() == []


def test_a_rebuild_raises_the_whole_catalogue() -> None:
    """Photos and records, whatever their outcome."""
    world = World()
    world.add("vase", 10, Name="Ваза")
    world.run()
    assert len(list(everything(world.store, BUCKETS))) == 2


def test_a_record_that_cannot_be_read_has_an_outcome_with_the_reason() -> None:
    """And its object is found, without class and unpublished."""
    from functions import outcome
    from functions.catalogue.keys import record_key
    from functions.events import upload_id

    world = World()
    version = world.put("catalogue", record_key("local", "vase"), b'{"Nmae": "x"}')
    world.run()
    ended = outcome.read(world.store, "state", upload_id("catalogue", record_key("local", "vase"), version))
    assert ended is not None
    assert (ended.status, ended.code) == ("rejected", "bad-record")
    assert "Nmae" in ended.reason


def test_a_second_rebuild_is_no_copy_of_the_first() -> None:
    """Milvus may be lost twice in two minutes; the trigger drops copies."""
    world = World()
    world.add("vase", 10)
    world.run()
    first, second = ({one.change.sequencer for one in everything(world.store, BUCKETS)} for _ in range(2))
    assert len(first) == len(second) == 1
    assert first != second
