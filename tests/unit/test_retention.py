"""Old queries go, and nothing else."""

from __future__ import annotations

import time

import pytest

from functions.retention import DAY, expired, forget
from tests.gateway_world import GatewayWorld, worlds

world = pytest.fixture(worlds)


def test_a_query_goes_when_its_newest_upload_is_old(world: GatewayWorld) -> None:
    """With photos and what was asked; what is of another shape, and the catalogue, stay."""
    first, second = world.queried(b"one", b"two"), world.queried(b"three", who="colleague")
    world.store.put("queries", "stray.jpg", b"x", content_type="image/jpeg")
    world.record("vase", Name="Ваза")
    buckets, now = world.settings.buckets, time.time()
    assert forget(world.store, buckets, now=now, days=30) == 0
    later = now + 31 * DAY
    assert {one[2] for one in expired(world.store, buckets, now=later, days=30)} == {first, second}
    assert forget(world.store, buckets, now=later, days=30) == 2
    assert world.keys("queries") == ["stray.jpg"]
    assert world.keys("state", "queries/") == []
    assert world.keys("catalogue") != []
    assert world.ask("GET", f"/api/queries/{first}").code == (404, "not-found")
