"""The sweep: what was lost is raised again, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from functions import outcome, reconcile
from functions.adapters.memory import MemoryStore
from functions.bucket_events import notification, parse
from functions.catalogue.keys import photo_key, record_key
from functions.events import BucketNotified, ImageRejected, upload_id
from functions.ports import ObjectInfo
from functions.reconcile import Sweep, everything
from tests.unit.world import BUCKETS, World

LATER = 4e9
"""A time at which everything is older than ten seconds."""


def raise_again(world: World) -> int:
    """Do what `museum reconcile --fix` does; returns how many were raised."""
    found = list(Sweep(world.store, BUCKETS).due(now=LATER))
    for one in found:
        world.queue.append((BucketNotified.TYPE, BucketNotified(body=notification(one.change))))
    world.run()
    return len(found)


def rebuild(world: World) -> None:
    """Do what `museum reconcile --rebuild` does."""
    for one in everything(world.store, BUCKETS):
        world.queue.append((BucketNotified.TYPE, BucketNotified(body=notification(one.change))))
    world.run()


def test_nothing_is_missing_once_everything_has_ended() -> None:
    """Photos, records, queries and rejected ones all have an outcome."""
    world = World()
    world.add("vase", 10, Name="Ваза")
    world.query(10)
    world.run()
    assert list(Sweep(world.store, BUCKETS).due(now=LATER)) == []


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
    assert list(Sweep(world.store, BUCKETS).due()) == []


def test_parts_of_a_query_are_not_missed() -> None:
    """They trigger nothing and have no outcome."""
    world = World()
    world.put("queries", "local/me/r1/parts/1.jpg", b"x")
    assert list(Sweep(world.store, BUCKETS).due(now=LATER)) == []


def test_an_upload_that_waits_in_a_long_queue_is_raised_once_in_five_minutes() -> None:
    """Not once a minute, or the queue would grow."""
    world = World()
    world.query(10)
    for key, stored in world.store._buckets["queries"].items():
        world.store._buckets["queries"][key] = replace(stored, info=replace(stored.info, modified=0.0))
    sweep = Sweep(world.store, BUCKETS)
    (one,) = sweep.due()
    sweep.raised(one)
    assert list(sweep.due()) == []


def test_a_rebuild_raises_the_whole_catalogue() -> None:
    """Photos and records, whatever their outcome."""
    world = World()
    world.add("vase", 10, Name="Ваза")
    world.run()
    assert len(list(everything(world.store, BUCKETS))) == 2


def test_a_record_that_cannot_be_read_has_an_outcome_with_the_reason() -> None:
    """And its object is found, without class and unpublished."""
    world = World()
    version = world.put("catalogue", record_key("local", "vase"), b'{"Nmae": "x"}')
    world.run()
    ended = outcome.read(world.store, "state", upload_id("catalogue", record_key("local", "vase"), version))
    assert ended is not None
    assert (ended.status, ended.code) == ("rejected", "bad-record")
    assert "Nmae" in ended.reason
    assert [(one.TYPE, one.code) for one in world.announced] == [(ImageRejected.TYPE, "bad-record")]


def test_a_second_rebuild_is_no_copy_of_the_first() -> None:
    """Milvus may be lost twice in two minutes; the trigger drops copies."""
    world = World()
    world.add("vase", 10)
    world.run()
    first, second = ({one.change.sequencer for one in everything(world.store, BUCKETS)} for _ in range(2))
    assert len(first) == len(second) == 1
    assert first != second


def test_a_lost_removal_is_healed() -> None:
    """What S3 no longer has, and an outcome says is indexed, is raised as the bucket would have; once."""
    world = World()
    key = world.add("vase", 10)
    world.add("coin", 200)
    world.run()
    world.store.delete("catalogue", key)
    assert world.hits(10) == ["vase", "coin"]
    assert raise_again(world) == 1
    assert world.hits(10) == ["coin"]
    assert raise_again(world) == 0


def test_a_whole_object_whose_removal_was_lost_goes() -> None:
    """Two photos and the record: three removals, whatever their order, and nothing is left to raise."""
    world = World()
    world.add("vase", 10, "front.jpg", Name="Ваза")
    world.put("catalogue", photo_key("local", "vase", "back.jpg"), bytes([90]))
    world.run()
    for info in list(world.store.list("catalogue")):
        world.store.delete("catalogue", info.key)
    assert raise_again(world) == 3
    assert world.hits(10) == []
    assert raise_again(world) == 0


def test_a_removal_that_was_not_lost_is_not_raised() -> None:
    """index says in the outcome that the photo is gone."""
    world = World()
    key = world.add("vase", 10)
    world.run()
    world.delete("catalogue", key)
    world.run()
    assert raise_again(world) == 0


def test_what_was_overwritten_is_no_removal() -> None:
    """The old version's outcome stays; the object is there, and its newer version was indexed."""
    world = World()
    key = world.add("vase", 10, Name="Ваза")
    world.run()
    world.put("catalogue", key, bytes([90]))
    world.put("catalogue", record_key("local", "vase"), b'{"Name": "x"}')
    world.run()
    assert raise_again(world) == 0


def test_a_photo_that_comes_back_and_whose_second_removal_is_lost_is_raised_again() -> None:
    """The sweep forgets what is listed again."""
    world = World()
    sweep = Sweep(world.store, BUCKETS)
    key = world.add("vase", 10)
    world.run()
    world.delete("catalogue", key)
    world.run()
    assert list(sweep.due(now=LATER)) == []
    world.put("catalogue", key, bytes([10]))
    world.run()
    assert world.hits(10) == ["vase"]
    assert list(sweep.due(now=LATER)) == []
    world.store.delete("catalogue", key)
    assert [one.change.kind for one in sweep.due(now=LATER)] == ["removed"]


def test_a_sweep_reads_an_outcome_without_an_upload_once() -> None:
    """It runs each minute, and of most overwritten photos there is nothing more to learn."""
    world = World()
    key = world.add("vase", 10)
    world.run()
    world.put("catalogue", key, bytes([90]))
    world.run()
    sweep = Sweep(world.store, BUCKETS)
    list(sweep.due(now=LATER))
    reads: list[str] = []
    world.store.get = lambda _bucket, key, **_: reads.append(key)  # type: ignore[method-assign, assignment, func-returns-value]
    list(sweep.due(now=LATER))
    assert reads == []


def test_a_rebuild_takes_out_what_is_no_longer_there() -> None:
    """Also from an index that came back from a backup, with rows whose removal was handled long ago."""
    world = World()
    key = world.add("vase", 10)
    world.run()
    backup = deepcopy(world.rows._collections)
    world.delete("catalogue", key)
    world.run()
    world.rows._collections = backup
    assert world.hits(10) == ["vase"]
    rebuild(world)
    assert world.hits(10) == []


def test_a_photo_that_comes_back_while_its_removal_is_indexed_is_findable_and_says_so() -> None:
    """It is put again between the two listings, and another index has handled that already."""
    world = World()
    key = world.add("vase", 10)
    world.run()
    version = world.store.head("catalogue", key).version  # type: ignore[union-attr]
    world.store.delete("catalogue", key)

    class Overtaken(MemoryStore):
        """Somebody puts the photo back, and has it indexed, just as its outcome is set aside."""

        def put(self, bucket: str, key_: str, body: bytes, **more: Any) -> str:
            if b"superseded" in body and self.head("catalogue", key) is None:
                super().put("catalogue", key, bytes([10]), content_type="x/y")
                world.notify("created", "catalogue", key, version, 1)
                world.run()
            return super().put(bucket, key_, body, **more)

    world.store.__class__ = Overtaken
    world.notify("removed", "catalogue", key, "", 0)
    world.run()
    ended = outcome.read(world.store, "state", upload_id("catalogue", key, version))
    assert ended is not None
    assert ended.status == "indexed"
    assert world.hits(10) == ["vase"]


def aged(world: World, bucket: str, key: str, modified: float) -> None:
    """Set the clock of one object."""
    objects = world.store._buckets[bucket]
    objects[key] = replace(objects[key], info=replace(objects[key].info, modified=modified))


def import_of_ten(world: World) -> list[str]:
    """Ten photos, uploaded in the seconds 100–109, that wait for an event; returns their upload ids."""
    made = []
    for number in range(10):
        key = photo_key("local", f"o{number}", "a.jpg")
        made.append(upload_id("catalogue", key, world.store.put("catalogue", key, bytes([number]), content_type="x/y")))
        aged(world, "catalogue", key, 100.0 + number)
    return made


def end(world: World, identity: str, at: float) -> None:
    """An upload ends."""
    world.store.put("state", outcome.key_of(identity), b"{}", content_type="x/y")
    aged(world, "state", outcome.key_of(identity), at)


def test_what_waits_behind_work_that_goes_on_is_left_in_peace() -> None:
    """A long import is not embedded twice: what was overtaken is missed, and what comes after waits for its turn."""
    world = World()
    uploads = import_of_ten(world)
    for number in (0, 1, 3, 4, 5):
        end(world, uploads[number], 200.0 + number)
    sweep = Sweep(world.store, BUCKETS)
    assert [one.upload_id for one in sweep.due(now=206.0, patient=True)] == [uploads[2]]
    assert {one.upload_id for one in sweep.due(now=216.0, patient=True)} == {uploads[number] for number in (2, 6, 7, 8, 9)}


def test_who_asks_is_told_of_all_that_has_not_ended() -> None:
    """``museum reconcile`` by hand does not guess what is on its way."""
    world = World()
    uploads = import_of_ten(world)
    end(world, uploads[5], 200.0)
    assert {one.upload_id for one in Sweep(world.store, BUCKETS).due(now=206.0)} == set(uploads) - {uploads[5]}


def test_a_query_is_raised_whatever_ends_beside_it() -> None:
    """A person waits."""
    world = World()
    made = []
    for number in range(4):
        key = f"local/someone/{number}/q.jpg"
        made.append(upload_id("queries", key, world.store.put("queries", key, bytes([number]), content_type="x/y")))
        aged(world, "queries", key, 100.0 + number)
    world.store.put("results", f"{made[0]}.json", b"{}", content_type="x/y")
    aged(world, "results", f"{made[0]}.json", 205.0)
    assert [one.upload_id for one in Sweep(world.store, BUCKETS).due(now=206.0, patient=True)] == made[1:]


def test_a_photo_that_overtook_an_import_does_not_make_the_import_look_lost() -> None:
    """A person saved one object; the lanes cannot be told in a listing, so it is the middle of what ended that counts."""
    world = World()
    uploads = import_of_ten(world)
    for number in (0, 1, 2, 9):
        end(world, uploads[number], 200.0)
    assert list(Sweep(world.store, BUCKETS).due(now=206.0, patient=True)) == []


def test_without_notifications_what_the_sweep_raised_itself_holds_nothing_back() -> None:
    """Such a store's uploads come in by the sweep alone: none of them waits in a queue already."""
    world = World()
    uploads = import_of_ten(world)
    for number in range(5, 10):
        aged(world, "catalogue", photo_key("local", f"o{number}", "a.jpg"), 150.0)
    sweep = Sweep(world.store, BUCKETS)
    for one in sweep.due(now=120.0, patient=True):
        sweep.raised(one)
    for identity in uploads[:5]:
        end(world, identity, 175.0)
    assert {one.upload_id for one in sweep.due(now=180.0, patient=True)} == set(uploads[5:])


def test_a_query_is_not_kept_waiting_by_a_long_look_at_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Millions of objects take long to list; its event was lost in the middle of that."""
    monkeypatch.setattr(reconcile, "ASK_EVERY", -1.0)
    world = World()
    import_of_ten(world)
    listing, asked = world.store.list, ""

    def long(bucket: str, prefix: str = "", **more: Any) -> Iterator[ObjectInfo]:
        nonlocal asked
        for info in listing(bucket, prefix, **more):
            if bucket == "catalogue" and not asked:
                asked = world.query(10)
                for one in list(listing("queries")):
                    aged(world, "queries", one.key, 100.0)
            yield info

    monkeypatch.setattr(world.store, "list", long)
    sweep, raised = Sweep(world.store, BUCKETS), []
    for one in sweep.due(now=150.0):
        sweep.raised(one)
        raised.append(one.upload_id)
    assert asked
    assert (raised[0], raised.count(asked), len(raised)) == (asked, 1, 11)


def test_a_look_of_many_lost_uploads_raises_the_oldest_and_the_next_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is there memory for millions, nor are they raised within a minute; who looks by hand is told of all."""
    monkeypatch.setattr(reconcile, "AT_ONCE", 6)
    world = World()
    uploads = import_of_ten(world)
    assert len(list(Sweep(world.store, BUCKETS).due(now=LATER))) == 10
    sweep = Sweep(world.store, BUCKETS)
    for expected in (uploads[:6], uploads[6:], []):
        found = list(sweep.due(now=LATER, patient=True))
        assert [one.upload_id for one in found] == expected
        for one in found:
            sweep.raised(one)


def test_records_of_an_import_do_not_make_its_photos_look_lost() -> None:
    """They are not embedded: most have ended while the photos wait."""
    world = World()
    uploads = import_of_ten(world)
    for number in range(10):
        key = record_key("local", f"o{number}")
        version = world.store.put("catalogue", key, b"{}", content_type="x/y")
        aged(world, "catalogue", key, 100.0 + number)
        end(world, upload_id("catalogue", key, version), 200.0)
    end(world, uploads[0], 200.0)
    assert list(Sweep(world.store, BUCKETS).due(now=206.0, patient=True)) == []


def test_a_catalogue_photo_that_a_person_waits_for_is_raised_in_its_lane() -> None:
    """A listing has no metadata: they are asked for, of what is missing alone."""
    world = World()
    for name, metadata in (("a.jpg", {"lane": "interactive"}), ("b.jpg", {})):
        world.store.put("catalogue", photo_key("local", "vase", name), b"x", content_type="x/y", metadata=metadata)
    raised = list(Sweep(world.store, BUCKETS).due(now=LATER))
    assert [parse(notification(one.change)).changes[0].metadata for one in raised] == [{"lane": "interactive"}, {}]


def test_what_went_while_the_sweep_looked_is_not_raised() -> None:
    """Deleted or overwritten after the listing: the removal, or the newer version, has an event of its own."""
    world = World()
    gone, newer = (photo_key("local", "vase", name) for name in ("a.jpg", "b.jpg"))
    for key in (gone, newer):
        world.store.put("catalogue", key, b"x", content_type="x/y")
    listed = list(world.store.list("catalogue"))
    world.store.delete("catalogue", gone)
    world.store.put("catalogue", newer, b"y", content_type="x/y")
    everywhere = world.store.list
    world.store.list = lambda bucket, prefix="": iter(listed) if bucket == "catalogue" else everywhere(bucket, prefix)  # type: ignore[method-assign]
    assert list(Sweep(world.store, BUCKETS).due(now=LATER)) == []
