"""What is taken back is gone from old results too: fields, pictures, offers, classes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from functions.catalogue.hits import ClassVote, Offer, RunnerUp, Source
from functions.catalogue.keys import photo_key, record_key
from functions.gateway import records
from functions.gateway.handles import object_handle
from functions.results import Hit, Photo, Shared, decode, encode
from tests.gateway_world import NORTH, SOUTH, GatewayWorld, worlds
from tests.unit.test_gateway_progress import finish

world = pytest.fixture(worlds)
CORNERS = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
HOUR = 3600.0


def published(world: GatewayWorld, object_id: str, museum: str = SOUTH, limit: str = "1") -> str:
    """An object of the south with a photo. Returns the prefix of its copies."""
    world.record(object_id, museum, Name=f"Ваза {object_id}", Authors="Иванов", PublicationLimit=limit)
    return world.photo(object_id, museum=museum, body=object_id.encode())


def hit(world: GatewayWorld, rank: int, object_id: str, museum: str = SOUTH, class_code: int = 5) -> Hit:
    """A hit, with the record that search has read."""
    digest = published(world, object_id, museum)
    return Hit(
        rank=rank, museum=museum, object_id=object_id, score=0.9, image=photo_key(museum, object_id, "a.jpg"),
        display=f"{digest}/display-", query_image=0, view="full", class_code=class_code, inliers=12,
        region=Shared(query=CORNERS, hit=CORNERS),
        record={"Name": f"Ваза {object_id}", "Authors": "Иванов"} if rank <= 10 else None,
    )  # fmt: skip


def offer(value: str, *objects: tuple[str, str]) -> Offer:
    """A value of some records."""
    sources = tuple(Source(museum=museum, object_id=name, record=record_key(museum, name), score=0.9) for museum, name in objects)
    return Offer(value=value, support=0.5, sources=sources)


def age(world: GatewayWorld, seconds: float = HOUR) -> None:
    """As if every result had been stored so long ago."""
    for key in world.keys("results"):
        found = world.store.get("results", key)
        assert found is not None
        told = decode(found.body)
        older = replace(told, received_at=told.received_at - seconds, completed_at=told.completed_at - seconds)
        world.store.put("results", key, encode(older), content_type="application/json")


def unpublish(world: GatewayWorld, object_id: str) -> None:
    """The museum takes its publication back."""
    world.record(object_id, SOUTH, Name=f"Ваза {object_id}", Authors="Иванов", PublicationLimit="0")


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """The minute passes for which a replica remembers what it has read."""
    monkeypatch.setattr(records, "FRESH", -1.0)


def state(world: GatewayWorld, query: str, more: str = "") -> Any:
    """The result as it is shown."""
    return world.ask("GET", f"/api/queries/{query}{more}").json["result"]


def test_what_is_unpublished_is_gone_from_an_old_result(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fields, its picture and region, its class, the address of its picture, and the first of a list."""
    query = world.queried(b"photo")
    hits = [hit(world, rank, f"{rank}") for rank in range(1, 13)]
    finish(world, query, hits=hits)
    before = state(world, query, "?hits=100")["hits"]
    picture = before[0]["image"]["320"]
    assert world.ask("GET", picture).status == 200
    assert (before[0]["record"]["Name"], before[11]["record"]["Name"], before[0]["gone"]) == ("Ваза 1", "Ваза 12", False)
    unpublish(world, "1"), unpublish(world, "12")
    age(world)
    forget(monkeypatch)
    for more in ("", "?hits=1", "?hits=100"):
        lost = state(world, query, more)["hits"][0]
        assert (lost["record"], lost["image"], lost["region"], lost["gone"]) == (None, {"320": None, "1280": None}, None, True)
        assert (lost["class_code"], lost["class_name"], lost["rank"], lost["score"]) == (0, "", 1, 0.9)
    shown = state(world, query, "?hits=100")["hits"]
    assert [one["gone"] for one in shown] == [True, *[False] * 10, True]
    assert shown[1]["record"]["Name"] == "Ваза 2"
    assert world.ask("GET", shown[1]["image"]["320"]).status == 200
    assert world.ask("GET", picture).code == (404, "not-found")
    (top,) = (one["top"] for one in world.ask("GET", "/api/queries").json["items"])
    assert (top["name"], top["image"], top["score"]) == ("", None, 0.9)
    followed = world.ask("GET", f"/api/queries/{query}/events").events[-1][1]["result"]
    assert followed["hits"][0]["record"] is None


@pytest.mark.parametrize("what", ["record", "photo"])
def test_what_is_erased_is_gone_too(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Without its record nothing is shown; without its photo the record alone."""
    query = world.queried(b"photo")
    finish(world, query, hits=[hit(world, 1, "1")])
    age(world)
    forget(monkeypatch)
    world.store.delete("catalogue", record_key(SOUTH, "1") if what == "record" else photo_key(SOUTH, "1", "a.jpg"))
    (shown,) = state(world, query)["hits"]
    assert (shown["record"] is None, shown["image"]["320"], shown["gone"]) == (what == "record", None, what == "record")


def test_an_own_object_is_shown_as_long_as_it_is_there(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is published; with the fields that it has now."""
    query = world.queried(b"photo")
    finish(world, query, hits=[hit(world, 1, "mine", NORTH), hit(world, 2, "erased", NORTH)])
    world.record("mine", NORTH, Name="Кувшин", PublicationLimit="0")
    for key in world.keys("catalogue", f"{NORTH}/erased/"):
        world.store.delete("catalogue", key)
    age(world)
    first, second = state(world, query)["hits"]
    assert (first["record"]["Name"], first["gone"], bool(first["image"]["320"])) == ("Кувшин", False, True)
    assert (second["record"], second["gone"], second["image"]["320"]) == (None, True, None)
    world.store.delete("catalogue", record_key(NORTH, "mine"))
    first, _ = state(world, query)["hits"]
    assert (first["record"], first["gone"], bool(first["image"]["320"])) == (None, False, True)


def test_offers_lose_the_sources_that_may_not_be_seen(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value without any is not offered; also where fewer hits are asked for."""
    query = world.queried(b"photo")
    draft = {
        "Name": [offer("Ваза 1", (SOUTH, "1")), offer("Ваза 2", (SOUTH, "2"))],
        "Authors": [offer("Иванов", (SOUTH, "1"), (SOUTH, "2"))],
        "CreationTime": [offer("1850", (SOUTH, "1"))],
    }
    finish(world, query, hits=[hit(world, 1, "1"), hit(world, 2, "2")], draft=draft)
    assert set(state(world, query)["draft"]) == {"Name", "Authors", "CreationTime"}
    unpublish(world, "1")
    age(world)
    shown = state(world, query, "?hits=1")["draft"]
    assert [one["value"] for one in shown["Name"]] == ["Ваза 2"]
    assert [[one["id"] for one in value["sources"]] for value in shown["Authors"]] == [[object_handle(SOUTH, "2")]]
    assert set(shown) == {"Name", "Authors"}


def test_a_class_goes_with_the_last_that_speaks_for_it(world: GatewayWorld) -> None:
    """The next is not sure."""
    query = world.queried(b"photo")
    vote = ClassVote(
        code=5, name="нумизматика", confidence=0.7, sure=True,
        runners_up=(RunnerUp(code=13, name="быт", confidence=0.2), RunnerUp(code=8, name="оружие", confidence=0.1)),
    )  # fmt: skip
    hits = [hit(world, 1, "1", class_code=5), hit(world, 2, "2", class_code=13), hit(world, 3, "3", class_code=8)]
    finish(world, query, hits=hits, class_=vote)
    assert state(world, query)["class"]["code"] == 5
    age(world)
    assert state(world, query)["class"]["sure"] is True
    unpublish(world, "1")
    told = state(world, query)["class"]
    assert (told["code"], told["sure"], [one["code"] for one in told["runners_up"]]) == (13, None, [8])
    unpublish(world, "2"), unpublish(world, "3")
    assert state(world, query)["class"] is None


def test_a_fresh_result_costs_no_look_at_records(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search has just read the first ten; what it found unpublished is not shown, nor do pictures of the rest."""
    query = world.queried(b"photo")
    unseen = hit(world, 2, "2")
    finish(world, query, hits=[hit(world, 1, "1"), replace(unseen, record=None)])
    real, read = world.store.get, list[str]()

    def get(bucket: str, key: str, **more: Any) -> Any:
        read.append(bucket)
        return real(bucket, key, **more)

    monkeypatch.setattr(world.store, "get", get)
    first, second = state(world, query)["hits"]
    assert world.ask("GET", first["image"]["320"]).status == 200
    assert "catalogue" not in read
    assert (second["gone"], second["image"]["320"]) == (True, None)
    assert world.ask("GET", first["image"]["320"]).headers["cache-control"] == "private, max-age=60"


def test_a_hundred_hits_are_read_once_each(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more than are asked for, the first ten apart."""
    query = world.queried(b"photo")
    finish(world, query, hits=[hit(world, rank, f"{rank}") for rank in range(1, 31)])
    age(world)
    real, read = world.store.get, list[str]()

    def get(bucket: str, key: str, **more: Any) -> Any:
        read.append(key)
        return real(bucket, key, **more)

    monkeypatch.setattr(world.store, "get", get)
    for hits, expected in ((1, 10), (20, 20), (100, 30)):
        read.clear()
        state(world, query, f"?hits={hits}")
        assert sum(key.endswith("record.json") for key in read) == expected


def test_the_copy_of_an_objects_photo_goes_with_its_publication(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query for what is like it, and a part of that, show it and its name as long as it may be seen."""
    digest = published(world, "1")
    query = world.ask("POST", f"/api/objects/{object_handle(SOUTH, '1')}/similar").json["id"]
    world.parts.admit_all()
    finish(world, query, photos=[Photo(display=f"{digest}/display-", width=1, height=1)])
    made = world.ask("POST", f"/api/queries/{query}/crop", {"left": 0, "top": 0, "width": 0.5, "height": 0.5}).json["id"]
    told = world.ask("GET", f"/api/queries/{query}").json
    assert (told["filename"], len(told["photos"])) == ("Ваза 1", 1)
    unpublish(world, "1")
    forget(monkeypatch)
    after = world.ask("GET", f"/api/queries/{query}").json
    assert (after["filename"], after["photos"]) == ("", [])
    assert world.ask("GET", told["photos"][0]["320"]).code == (404, "not-found")
    part = world.ask("GET", f"/api/queries/{made}").json
    assert (part["filename"], part["like"]) == ("", object_handle(SOUTH, "1"))


def test_a_picture_of_an_object_goes_with_its_publication(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was shown as an object, not as a hit; an object_id may be as long as a key allows."""
    name = "я" * 150
    world.record(name, SOUTH, Name="Ваза", PublicationLimit="1")
    world.photo(name, museum=SOUTH)
    picture = world.ask("GET", f"/api/objects/{object_handle(SOUTH, name)}").json["images"][0]["320"]
    assert world.ask("GET", picture).status == 200
    unpublish(world, name)
    forget(monkeypatch)
    assert world.ask("GET", picture).code == (404, "not-found")
    assert world.ask("GET", picture, who="foreigner").code == (404, "not-found"), "a handle is for one museum"


def test_what_was_looked_at_is_remembered_for_a_minute(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten pictures are not ten looks, and one that is looked at anew is known at once."""
    now = time.monotonic()
    published(world, "1")
    assert world.parts.published(SOUTH, "1")
    unpublish(world, "1")
    assert world.parts.published(SOUTH, "1")
    monkeypatch.setattr("functions.gateway.records.time.monotonic", lambda: now + 61)
    assert not world.parts.published(SOUTH, "1")
