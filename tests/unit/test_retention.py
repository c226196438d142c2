"""Old queries go, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from functions.adapters.memory import MemoryStore
from functions.copies import erased
from functions.ports import ObjectInfo, StoredObject
from functions.retention import DAY, expired, forget
from tests.gateway_world import SOUTH, GatewayWorld, worlds

world = pytest.fixture(worlds)


def forgotten(world: GatewayWorld) -> int:
    """How many go after 31 days."""
    return forget(world.store, world.settings.buckets, now=time.time() + 31 * DAY, days=30)


def test_copies_stay_that_a_hidden_catalogue_photo_needs(world: GatewayWorld) -> None:
    """Another museum's, which no search of this one lists: it is found and shown there all the same."""
    query = world.queried(b"same bytes", b"other text")
    needed = world.photo("theirs", museum=SOUTH, body=b"same bytes")
    world.copies(b"other text")
    assert forgotten(world) == 1
    assert world.ask("GET", f"/api/queries/{query}").code == (404, "not-found")
    assert world.keys("queries") == []
    assert world.keys("derived") == [f"{needed}/display-1280.jpg", f"{needed}/display-320.jpg"]


def test_copies_stay_that_another_query_needs_and_go_with_the_last(world: GatewayWorld) -> None:
    """Two people searched by one photo: the one who erases it takes nothing from the other."""
    first, second = world.queried(b"one"), world.queried(b"one", who="colleague")
    world.copies(b"one")
    assert world.ask("DELETE", f"/api/queries/{first}").status == 200
    world.swept()
    assert len(world.keys("derived")) == 2
    assert world.ask("DELETE", f"/api/queries/{second}", who="colleague").status == 200
    world.swept()
    assert world.keys("derived") == []


def test_copies_go_with_all_queries_that_are_forgotten_at_once(world: GatewayWorld) -> None:
    """They need them as little as each other."""
    world.queried(b"one"), world.queried(b"one", who="colleague")
    world.copies(b"one")
    assert forgotten(world) == 2
    assert world.keys("derived") == []


class Multipart(MemoryStore):
    """What the catalogue has was uploaded in parts: its eTag is no md5."""

    def list(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """See :class:`functions.ports.ObjectStore`."""
        for info in super().list(bucket, prefix, after=after):
            yield replace(info, etag=f"{info.etag}-2") if bucket == "catalogue" else info


class Encrypted(MemoryStore):
    """Queries lie encrypted: their eTags are no md5."""

    def get(self, bucket: str, key: str, *, limit: int | None = None) -> StoredObject | None:
        """See :class:`functions.ports.ObjectStore`."""
        found = super().get(bucket, key, limit=limit)
        return replace(found, info=replace(found.info, etag="f" * 32)) if found and bucket == "queries" else found


def test_an_encrypted_upload_is_told_by_its_bytes() -> None:
    """Its eTag says nothing of the catalogue's, which is the md5."""
    with GatewayWorld(store=Encrypted("queries", "catalogue", "derived", "results", "state")) as world:
        world.queried(b"same bytes")
        needed = world.photo("vase", body=b"same bytes")
        assert forgotten(world) == 1
        assert {key.partition("/")[0] for key in world.keys("derived")} == {needed}


def test_an_upload_in_parts_is_told_by_its_bytes() -> None:
    """Of the same size are two, and one is the same."""
    with GatewayWorld(store=Multipart("queries", "catalogue", "derived", "results", "state")) as world:
        world.queried(b"same bytes", b"other text")
        needed, other = world.photo("vase", body=b"same bytes"), world.photo("cup", body=b"third text")
        world.copies(b"other text")
        assert forgotten(world) == 1
        assert sorted({key.partition("/")[0] for key in world.keys("derived")}) == sorted([needed, other])


def test_a_query_goes_when_its_newest_upload_is_old(world: GatewayWorld) -> None:
    """With photos and what was asked; what is of another shape, and the catalogue, stay."""
    first, second = world.queried(b"one", b"two"), world.queried(b"three", who="colleague")
    world.store.put("queries", "stray.jpg", b"x", content_type="image/jpeg")
    world.record("vase", Name="Ваза")
    buckets, now = world.settings.buckets, time.time()
    assert forget(world.store, buckets, now=now, days=30) == 0
    later = now + 31 * DAY
    assert {one.id for one in expired(world.store, buckets, now=later, days=30)} == {first, second}
    assert forget(world.store, buckets, now=later, days=30) == 2
    assert world.keys("queries") == ["stray.jpg"]
    assert world.keys("state", "queries/") == []
    assert world.keys("catalogue") != []
    assert world.ask("GET", f"/api/queries/{first}").code == (404, "not-found")


def test_who_erases_a_query_does_not_wait_for_a_look_at_all_uploads() -> None:
    """The sweep looks, once for all that was erased, and not at all where nothing was."""
    store = Listed("queries", "catalogue", "derived", "results", "state")
    with GatewayWorld(store=store) as world:
        query = world.queried(b"one")
        world.copies(b"one")
        assert world.ask("DELETE", f"/api/queries/{query}").status == 200
        assert "catalogue" not in store.listed
        world.swept()
        assert store.listed.count("catalogue") == 1
        world.swept()
        assert store.listed.count("catalogue") == 1
        assert world.keys("derived") == world.keys("state", "erased/") == []


def test_a_sweep_in_the_middle_of_an_erasure_leaves_the_photo_to_the_next(world: GatewayWorld) -> None:
    """The note is there before the photo is gone: were it taken for done, the copies would stay for ever."""
    world.queried(b"one")
    world.copies(b"one")
    (key,) = (key for key in world.keys("queries") if key.endswith(".jpg"))
    photo = world.store.get("queries", key)
    assert photo is not None
    erased(world.store, world.settings.buckets, photo)
    world.swept()
    assert len(world.keys("derived")) == 2
    world.store.delete("queries", key)
    world.swept()
    assert world.keys("derived") == world.keys("state", "erased/") == []


class Listed(MemoryStore):
    """Remembers which buckets were listed as a whole."""

    def __init__(self, *buckets: str) -> None:
        super().__init__(*buckets)
        self.listed: list[str] = []

    def list(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """See :class:`functions.ports.ObjectStore`."""
        if not prefix:
            self.listed.append(bucket)
        return super().list(bucket, prefix, after=after)
