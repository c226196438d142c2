"""An erased query leaves nothing, at whatever stage it was; and queries of its photos go with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from functions import copies, retention
from functions.catalogue.keys import record_key
from functions.reconcile import Sweep
from functions.retention import DAY, expired, forget
from tests.gateway_world import NORTH, GatewayWorld, worlds
from tests.unit.test_gateway_objects import Both
from tests.unit.test_gateway_progress import finish

world = pytest.fixture(worlds)
CROP = {"left": 0.1, "top": 0.1, "width": 0.5, "height": 0.5}


@pytest.fixture
def both() -> Iterator[Both]:
    """A gateway and the steps behind it, with one object."""
    made = Both()
    with made.gateway as world:
        world.record("vase", Name="Ваза")
        world.photo("vase", body=bytes([200]), indexed=False)
        made.run()
        yield made


def left_over(world: GatewayWorld) -> dict[str, list[str]]:
    """What there is of queries."""
    state = [key for key in world.keys("state") if not key.startswith(("outcomes/", "turns/"))]
    return {"queries": world.keys("queries"), "results": world.keys("results"), "state": state, "derived": world.keys("derived")}


def swept(world: GatewayWorld, *, seconds: float = 3600.0, days: float = 30.0) -> int:
    """The sweep's hourly look, so many seconds later."""
    return forget(world.store, world.settings.buckets, now=time.time() + seconds, days=days)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5], ids=["told", "ingest", "preprocess", "embed", "search", "after"])
def test_a_query_that_is_erased_at_any_stage_leaves_nothing(both: Both, steps: int) -> None:
    """Whatever the steps that have it in hand store yet: a result, a reason, copies of its photo."""
    world = both.gateway
    before = left_over(world)
    query = world.queried(bytes([10]))
    (info,) = world.store.list("queries")
    both.steps.notify("created", "queries", info.key, info.version, info.size)
    for _ in range(steps):
        if both.steps.queue:
            both.steps.step()
    assert world.ask("DELETE", f"/api/queries/{query}").json == {"queries": 1}
    both.steps.run()
    assert bool(world.keys("results")) == (steps < 4), "a step stores the end of what is there no more"
    swept(world)
    assert left_over(world) == before
    assert world.ask("GET", f"/api/queries/{query}").code == (404, "not-found")
    assert list(Sweep(world.store, world.settings.buckets).due(now=time.time() + 3600)) == []


def test_copies_that_are_written_after_the_erasing_go_too(world: GatewayWorld) -> None:
    """Preprocess had read the photo, and the sweep looked before it wrote."""
    query = world.queried(b"photo")
    assert world.ask("DELETE", f"/api/queries/{query}").status == 200
    swept(world, seconds=0)
    world.copies(b"photo")
    swept(world, seconds=copies.SETTLE - 5)
    assert world.keys("derived") != []
    swept(world, seconds=copies.SETTLE + 5)
    assert world.keys("derived") == world.keys("state", "erased/") == []


@pytest.mark.parametrize("before", [True, False], ids=["before its file", "after its file"])
def test_a_query_whose_turn_comes_while_it_is_erased_stays_erased(
    world: GatewayWorld, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """A replica gives it its turn, and writes its file, just as another erases it."""
    query = world.queried(b"photo", wait=True, batch="morning")
    key = f"{NORTH}/anna/{query}/photos.query.json"
    world.store.delete("queries", key)
    queries = world.parts.queries_of(NORTH, "anna")
    asked = queries.asked(query)
    assert asked is not None
    real = world.store.put if before else world.store.delete
    raced: list[str] = []

    def race(bucket: str, name: str, *given: Any, **more: Any) -> Any:
        if before and (bucket, name) == ("queries", key) and not raced:
            raced.append(name)
            queries.erase(query)
        done = real(bucket, name, *given, **more)
        if not before and name == f"queries/{NORTH}/anna/{query}.json" and not raced:
            raced.append(name)
            world.store.put("queries", key, b"{}", content_type="application/json")
        return done

    monkeypatch.setattr(world.store, "put" if before else "delete", race)
    queries.close(query, asked) if before else queries.erase(query)
    assert raced
    assert world.keys("queries") == []


def test_a_result_goes_with_its_upload_alone(world: GatewayWorld) -> None:
    """By whomever it was removed; a young one stays, and so does what is no result."""
    kept, gone = world.queried(b"one"), world.queried(b"two", who="colleague")
    finish(world, kept), finish(world, gone, owner="boris")
    world.store.put("results", "notes.json", b"{}", content_type="application/json")
    (key,) = world.keys("queries", f"{NORTH}/boris/")
    world.store.delete("queries", key)
    swept(world, seconds=retention.LEFT - 5)
    assert len(world.keys("results")) == 3
    swept(world, seconds=retention.LEFT + 5)
    assert world.ask("GET", f"/api/queries/{kept}").json["status"] == "completed"
    assert len(world.keys("results")) == 2
    assert "notes.json" in world.keys("results")


def test_results_go_with_their_upload_also_where_queries_are_kept_for_ever(world: GatewayWorld) -> None:
    """It is what was erased that goes."""
    finish(world, world.queried(b"one"))
    world.store.delete("queries", world.keys("queries")[0])
    swept(world, days=float("inf"))
    assert world.keys("results") == []


def test_a_form_that_was_never_used_is_kept_no_longer_than_a_query(world: GatewayWorld) -> None:
    """One photo, or several that never came; with what waits."""
    given = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 5}
    for more in ({}, {"parts": [given, given]}, {"wait": True}):
        assert world.ask("POST", "/api/uploads", {**given, **more}).status == 201
    used = world.queried(b"photo", who="colleague")
    assert swept(world, seconds=29 * DAY) == 0
    buckets, now = world.settings.buckets, time.time() + 31 * DAY
    assert len(list(expired(world.store, buckets, now=now, days=30))) == 4
    world.store.put("state", "queries/of-another-shape.json", b"{}", content_type="application/json")
    world.store.put("queries", f"{NORTH}/boris/{used}/late.jpg", b"x", content_type="image/jpeg")
    (info,) = (one for one in world.store.list("queries") if one.key.endswith("late.jpg"))
    assert swept(world, seconds=info.modified - time.time() + 31 * DAY) == 4
    assert world.keys("state", "queries/") == ["queries/of-another-shape.json"]


# queries of the same photos


def made_of(world: GatewayWorld, query: str, call: str = "crop", body: Any = CROP) -> str:
    """A query of the same photos."""
    reply = world.ask("POST", f"/api/queries/{query}/{call}", body)
    assert reply.status == 201
    return str(reply.json["id"])


def test_queries_of_a_photo_go_with_it(world: GatewayWorld) -> None:
    """Parts, filters, and parts of these: they would show a picture that is there no more. Another's stay."""
    query, other = world.queried(b"photo"), world.queried(b"other", who="colleague")
    crop = made_of(world, query)
    parts = [crop, made_of(world, query, "filter", {"scope": "mine"}), made_of(world, crop, "filter", {"scope": "others"})]
    for one in (query, crop):
        world.parts.admit_all()
        finish(world, one)
    assert world.ask("DELETE", f"/api/queries/{query}").json == {"queries": 4}
    for one in (query, *parts):
        assert world.ask("GET", f"/api/queries/{one}").code == (404, "not-found")
    swept(world)
    assert world.ask("GET", f"/api/queries/{other}", who="colleague").status == 200
    assert all(other in key for key in world.keys("queries") + world.keys("state") if "turns/" not in key)
    assert world.keys("results") == []


def test_a_part_goes_alone_and_leaves_the_photo(world: GatewayWorld) -> None:
    """Nor does it take another part, though that was made of it."""
    query = world.queried(b"photo")
    crop = made_of(world, query)
    narrow = made_of(world, crop, "filter", {"scope": "mine"})
    assert world.ask("DELETE", f"/api/queries/{crop}").json == {"queries": 1}
    assert {one["id"] for one in world.ask("GET", "/api/queries").json["items"]} == {query}
    assert world.ask("GET", f"/api/queries/{narrow}").status == 200
    assert world.ask("DELETE", f"/api/queries/{query}").json == {"queries": 2}
    assert world.keys("state", "again/") == []


def test_what_is_kept_long_enough_takes_its_parts_with_it(world: GatewayWorld) -> None:
    """Also younger ones: a photo is kept no longer than was said."""
    query = world.queried(b"photo")
    made_of(world, query)
    assert swept(world, seconds=31 * DAY) == 2
    assert world.keys("state", "again/") == world.keys("state", "queries/") == world.keys("queries") == []


def test_the_catalogue_stays(both: Both) -> None:
    """Its outcomes have uploads, its copies are in use."""
    world = both.gateway
    before = {bucket: world.keys(bucket) for bucket in ("catalogue", "derived", "state")}
    assert record_key(NORTH, "vase") in before["catalogue"]
    swept(world, seconds=400 * DAY)
    assert {bucket: world.keys(bucket) for bucket in ("catalogue", "derived", "state")} == before
