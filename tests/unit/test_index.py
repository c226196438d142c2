"""index: what it reads, and what it leaves to other events."""

from __future__ import annotations

from collections.abc import Sequence

from functions.adapters.memory import MemoryIndex, MemoryStore
from functions.catalogue.keys import photo_key, record_key
from functions.index.listings import Listings
from functions.ports import UNKNOWN_YEAR
from functions.runtime.recent import Recent
from tests.benchmarks.operations import CountingStore
from tests.unit.world import World


def test_the_value_unused_longest_goes() -> None:
    """Reading a value is using it."""
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)


def test_a_record_is_read_once_a_version() -> None:
    """A version never changes."""
    store = CountingStore("catalogue")
    version = store.put("catalogue", "k", b'{"TypologyGK": "5"}', content_type="application/json")
    listings = Listings(store)
    assert [listings("catalogue", "k", version).class_code for _ in range(3)] == [5, 5, 5]
    assert store.asked["get"] == 1
    assert listings("catalogue", "", "").class_code == 0


def test_a_record_that_was_overwritten_meanwhile_is_not_taken_for_the_older() -> None:
    """It is read anew until the listing names the version that was read."""
    store = MemoryStore("catalogue")
    old = store.put("catalogue", "k", b'{"TypologyGK": "5"}', content_type="application/json")
    listings = Listings(store)
    new = store.put("catalogue", "k", b'{"TypologyGK": "8"}', content_type="application/json")
    assert listings("catalogue", "k", old).class_code == 8
    store.put("catalogue", "k", b'{"TypologyGK": "11"}', content_type="application/json")
    assert listings("catalogue", "k", old).class_code == 11
    assert listings("catalogue", "k", new).class_code == 11


def test_a_record_before_its_photos_costs_one_listing_and_one_read() -> None:
    """Nothing was written to the index, so nothing of it can be stale; the photos have events of their own."""
    world = World(store=CountingStore("queries", "catalogue", "derived", "results", "state"))
    assert isinstance(world.store, CountingStore)
    world.put("catalogue", record_key("local", "a"), b'{"Name": "x"}')
    world.put("catalogue", "local/a/images/a.jpg", bytes([7]))
    world.step()  # ingest of the record
    world.store.asked.clear()
    world.step(1)  # index of the record, while its photo is on its way
    assert dict(world.store.asked) == {"list": 1, "get": 1, "put": 1}
    world.run()
    assert world.hits(7) == ["a"]


def test_a_changed_record_reaches_the_rows_of_all_its_photos() -> None:
    """Class and visibility follow the record."""
    world = World()
    world.add("a", 7, TypologyGK="5")
    world.put("catalogue", "local/a/images/b.jpg", bytes([9]))
    world.run()
    world.put("catalogue", record_key("local", "a"), b'{"TypologyGK": "8"}')
    world.run()
    (fingerprint,) = world.rows.collections()
    assert [row.class_code for row in world.rows.rows(fingerprint, "local", "a")] == [8, 8]


def test_years_of_a_changed_record_reach_the_rows() -> None:
    """Also when they go."""
    world = World()
    world.add("a", 7, CreationTimeStart="1850", CreationTimeEnd="1870")
    world.run()
    (fingerprint,) = world.rows.collections()
    assert [(row.year_from, row.year_to) for row in world.rows.rows(fingerprint, "local", "a")] == [(1850, 1870)]
    world.put("catalogue", record_key("local", "a"), b'{"CreationTimeEnd": "-30"}')
    world.run()
    assert [(row.year_from, row.year_to) for row in world.rows.rows(fingerprint, "local", "a")] == [(-30, -30)]
    world.put("catalogue", record_key("local", "a"), b"{}")
    world.run()
    assert [row.year_from for row in world.rows.rows(fingerprint, "local", "a")] == [UNKNOWN_YEAR]


def test_a_photo_that_comes_back_while_a_record_takes_its_row_out_is_findable() -> None:
    """The record's event deletes the row just after the photo's own event has written it: it has to put it back itself."""
    world = World()
    world.add("a", 7)
    world.run()
    key = photo_key("local", "a", "a.jpg")

    class Overtaken(MemoryIndex):
        """Somebody puts the photo back, and has it indexed, just before its row goes."""

        def delete(self, fingerprint: str, ids: Sequence[str]) -> None:
            if ids and world.store.head("catalogue", key) is None:
                world.put("catalogue", key, bytes([7]))
                world.run()
            super().delete(fingerprint, ids)

    world.rows.__class__ = Overtaken
    world.store.delete("catalogue", key)
    world.put("catalogue", record_key("local", "a"), b'{"TypologyGK": "8"}')
    world.run()
    assert world.hits(7) == ["a"]
