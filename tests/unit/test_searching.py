"""`museum search`: what people see of a result beyond its first ten hits."""

from __future__ import annotations

import json

from functions.catalogue.keys import record_key
from functions.cli.searching import with_records
from functions.results import decode
from tests.unit.world import BUCKETS, World


def test_hits_after_the_tenth_show_what_their_records_let_be_seen() -> None:
    """The result holds ten records; the others are read when they are asked for: one's own, another museum's public fields."""
    world = World()
    for number in range(13):
        world.add(f"own-{number:02}", number, Name=f"Предмет {number}", InvNumber=f"I-{number}")
    world.add("open", 13, museum="hermitage", Name="Кратер", PublicationLimit="1", InvNumber="secret")
    world.add("unread", 14, Name="Нечто")
    query = world.query(0)
    world.run()
    world.store.put("catalogue", record_key("local", "unread"), b"{", content_type="application/json")
    found = world.store.get("results", f"{query}.json")
    assert found is not None
    stored = decode(found.body)
    assert [hit.record is None for hit in stored.hits] == [False] * 10 + [True] * 5

    shown = with_records(stored, 14, world.store, BUCKETS)
    assert [(hit.record or {}).get("Name") for hit in shown.hits[10:13]] == ["Предмет 10", "Предмет 11", "Предмет 12"]
    assert (shown.hits[12].record or {})["InvNumber"] == "I-12"
    assert shown.hits[13].record == {"Name": "Кратер"}
    assert shown.hits[14].record is None, "it was not asked for"
    assert with_records(stored, 15, world.store, BUCKETS).hits[14].record is None, "it cannot be read"
    assert "secret" not in json.dumps([hit.record for hit in shown.hits])


def test_what_another_museum_has_taken_back_since_is_not_shown() -> None:
    """Visibility is what the record says now."""
    world = World()
    for number in range(11):
        world.add(f"open-{number:02}", number, museum="hermitage", Name="Кратер", PublicationLimit="1")
    query = world.query(0)
    world.run()
    world.store.put("catalogue", record_key("hermitage", "open-10"), b'{"Name": "x"}', content_type="application/json")
    found = world.store.get("results", f"{query}.json")
    assert found is not None
    assert with_records(decode(found.body), 11, world.store, BUCKETS).hits[10].record is None
