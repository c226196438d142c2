"""The promises of the pipeline, over its real handlers and in-memory ports: repeats, reordering, late events, removals."""

from __future__ import annotations

import base64
import itertools
import json
import random
from dataclasses import replace
from hashlib import sha256
from typing import Any
from unittest.mock import ANY

import msgspec
import numpy as np
import pytest

from functions import events, outcome, pipeline
from functions.adapters.memory import MemoryIndex
from functions.bucket_events import notification
from functions.catalogue.draft import Draft, card_key
from functions.catalogue.handle import object_handle
from functions.catalogue.keys import photo_key, record_key
from functions.embed.vectors import VectorCache
from functions.events import BucketNotified, QueryEmbedded, Vector, upload_id
from functions.gateway.hooks import notified
from functions.ports import IndexRow, Match
from functions.reconcile import Sweep, everything
from functions.search import handler as search
from tests.unit.world import BUCKETS, FINGERPRINT, World


def test_an_upload_ends_in_a_result_with_hits_class_and_draft() -> None:
    """The main job."""
    world = World()
    world.add("vase", 10, Name="Ваза", TypologyGK="13", PublicationLimit="1")
    world.add("coin", 200, Name="Монета", TypologyGK="5", PublicationLimit="1")
    query = world.query(12)
    world.run()
    result = world.result(query)
    assert result["status"] == "completed"
    assert [hit["object_id"] for hit in result["hits"]] == ["vase", "coin"]
    assert result["hits"][0]["score"] > 0.999
    assert result["class"]["code"] == 13
    assert result["draft"]["Name"][0]["value"] == "Ваза"
    assert result["draft"]["Name"][0]["sources"][0]["record"] == record_key("local", "vase")
    assert {"query_id", "museum", "owner", "bucket", "key", "version", "model", "stages", "reason"} <= set(result)


def test_a_score_is_the_dot_product_of_the_stored_vectors() -> None:
    """The cosine, not rescaled, rounded or shifted by more than 1e-4."""
    world = World()
    photos = {f"o{value}": world.add(f"o{value}", value) for value in (0, 3, 40, 130, 200, 255)}
    query = world.query(40)
    world.run()
    stored = {}
    for object_id, key in photos.items():
        info = world.store.head("catalogue", key)
        assert info is not None
        stored[object_id] = outcome_of(world, key, info.version).vectors[0].unpack()
    scores = {hit["object_id"]: hit["score"] for hit in world.result(query)["hits"]}
    assert scores == {object_id: pytest.approx(float(stored["o40"] @ vector), abs=1e-4) for object_id, vector in stored.items()}


def test_every_event_delivered_three_times_in_any_order_leaves_the_world_as_once() -> None:
    """Twenty shuffles of tripled deliveries."""
    for seed in range(20):
        world, chance = World(), random.Random(seed)
        world.add("vase", 10, Name="Ваза", PublicationLimit="1")
        world.add("coin", 200, Name="Монета", PublicationLimit="1")
        world.queue = world.queue * 3
        query = world.query(12)
        while world.queue:
            place = chance.randrange(len(world.queue))
            if chance.random() < 0.3 and len(world.queue) < 60:
                world.queue.append(world.queue[place])
            world.step(place)
        after = world.query(12)
        world.run()
        assert [hit["object_id"] for hit in world.result(after)["hits"]] == ["vase", "coin"]
        done = [one for one in world.announced if isinstance(one, events.SearchCompleted) and one.query_id == query]
        assert done
        assert all(one == done[0] for one in done), "a repeated announcement differs"
        assert world.rows.count("f" * 12) == 2


def test_the_same_photo_under_two_keys_is_two_results_and_embedded_once() -> None:
    """Each upload is a query of its own; the work is done for the pixels."""
    world = World()
    world.add("vase", 10)
    world.run()
    runs = world.encoder.runs
    first, second = world.query(20), world.query(20)
    world.run()
    assert first != second
    assert world.result(first)["hits"] == world.result(second)["hits"] != []
    assert world.encoder.runs == runs + 1


def test_one_photo_in_two_objects_stays_two_rows() -> None:
    """A row belongs to its key, not to its pixels."""
    world = World()
    world.add("one", 10)
    world.add("two", 10)
    world.run()
    assert sorted(world.hits(10)) == ["one", "two"]


def test_two_photos_of_one_object_are_one_hit() -> None:
    """Hits are objects."""
    world = World()
    world.add("vase", 10, "front.jpg")
    world.put("catalogue", photo_key("local", "vase", "back.jpg"), bytes([90]))
    world.add("coin", 200)
    assert world.hits(85) == ["vase", "coin"]


def test_a_deleted_photo_is_found_no_more() -> None:
    """Nor is its object, when it was the only one."""
    world = World()
    key = world.add("vase", 10)
    world.add("coin", 200)
    world.run()
    world.delete("catalogue", key)
    world.run()
    assert world.hits(10) == ["coin"]


def test_a_photo_that_comes_back_is_found_again_without_embedding() -> None:
    """Its outcome kept the vectors."""
    world = World()
    key = world.add("vase", 10)
    world.run()
    world.delete("catalogue", key)
    world.run()
    runs = world.encoder.runs
    world.put("catalogue", key, bytes([10]))
    world.run()
    assert world.encoder.runs == runs
    assert world.hits(10) == ["vase"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_a_create_that_is_late_behind_a_delete_changes_nothing(order: tuple[int, ...]) -> None:
    """Whatever order its events come in."""
    world = World()
    key = world.add("vase", 10)
    while not any(kind == events.CatalogueEmbedded.TYPE for kind, _ in world.queue):
        world.step()
    world.delete("catalogue", key)
    last_two = world.queue[-2:]
    world.queue[-2:] = [last_two[place] for place in order]
    world.run()
    assert world.hits(10) == []


def test_a_create_that_is_late_behind_an_overwrite_changes_nothing() -> None:
    """The newer photo wins, though the older one is indexed after it."""
    world = World()
    key = world.add("vase", 10)
    while not any(kind == events.CatalogueEmbedded.TYPE for kind, _ in world.queue):
        world.step()
    late = world.queue.pop(next(i for i, (kind, _) in enumerate(world.queue) if kind == events.CatalogueEmbedded.TYPE))
    world.put("catalogue", key, bytes([250]))
    world.run()
    world.queue.append(late)
    world.run()
    query = world.query(250)
    world.run()
    assert [round(hit["score"], 3) for hit in world.result(query)["hits"]] == [1.0]


def test_what_was_overwritten_before_it_was_read_ends_as_superseded() -> None:
    """Also this version of the photo has an outcome."""
    world = World()
    key = photo_key("local", "vase", "a.jpg")
    first = world.put("catalogue", key, bytes([10]))
    world.put("catalogue", key, bytes([20]))
    world.run()
    ended = outcome.read(world.store, "state", upload_id("catalogue", key, first))
    assert ended is not None
    assert (ended.status, ended.code) == ("rejected", "superseded")


def test_an_overwritten_record_is_followed() -> None:
    """Class and visibility live in the rows."""
    world = World()
    world.add("vase", 10, TypologyGK="13", PublicationLimit="1")
    world.run()
    world.put("catalogue", record_key("local", "vase"), json.dumps({"TypologyGK": "6", "Name": "Амфора"}).encode())
    query = world.query(10)
    world.run()
    world.run()
    second = world.query(10)
    world.run()
    assert world.result(second)["class"]["code"] == 6
    assert world.result(second)["draft"]["Name"][0]["value"] == "Амфора"
    assert world.result(query)["status"] == "completed"


def test_a_record_may_come_after_its_photo() -> None:
    """A row made without a record is made again with it."""
    world = World()
    world.put("catalogue", photo_key("local", "vase", "a.jpg"), bytes([10]))
    world.run()
    world.put("catalogue", record_key("local", "vase"), json.dumps({"TypologyGK": "13"}).encode())
    world.run()
    assert [row.class_code for row in world.rows.rows("f" * 12, "local", "vase")] == [13]


def test_another_museum_gives_only_public_fields_and_unpublished_nothing() -> None:
    """Neither hits, nor class, nor draft."""
    world = World()
    world.add("open", 10, museum="hermitage", Name="Кратер", TypologyGK="6", PublicationLimit="1", InvNumber="Б.2338")
    world.add("closed", 11, museum="hermitage", Name="Тайна", TypologyGK="8")
    query = world.query(10)
    world.run()
    result = world.result(query)
    assert [hit["object_id"] for hit in result["hits"]] == ["open"]
    assert result["hits"][0]["record"] == {"Name": "Кратер", "TypologyGK": "6"}
    assert "Тайна" not in json.dumps(result, ensure_ascii=False)
    assert "Б.2338" not in json.dumps(result, ensure_ascii=False)


def test_a_rejected_photo_ends_in_a_result_with_its_reason() -> None:
    """And is announced after that."""
    world = World()
    query = world.query(10)
    world.store.delete("queries", next(world.store.list("queries")).key)
    world.run()
    assert (world.result(query)["status"], world.result(query)["code"]) == ("rejected", "gone")
    assert isinstance(world.announced[-1], events.ImageRejected)


def test_a_rejected_photo_that_is_notified_again_is_announced_with_the_same_words() -> None:
    """The bucket notifies twice, and the second comes when the result is there."""
    world = World()
    query = world.query(10)
    notification = world.queue[-1]
    world.store.delete("queries", next(world.store.list("queries")).key)
    world.run()
    world.queue.append(notification)
    world.run()
    told = [one for one in world.announced if one.upload_id == query and one.TYPE in pipeline.TERMINAL]
    assert len(told) == 2
    assert told[0] == told[1]


def test_a_dead_delivery_ends_in_a_failed_result_which_a_replay_replaces() -> None:
    """A page never waits for the dead."""
    world = World()
    world.add("vase", 10)
    world.run()
    query = world.query(10)
    world.step()
    kind, received = world.queue.pop()
    structured = {"specversion": "1.0", "id": "1", "source": "/x", "type": kind, "data": events.to_data(received)}
    world.die("preprocess", "its worker died 3 times", structured)
    world.run()
    assert (world.result(query)["status"], world.result(query)["reason"]) == ("failed", "its worker died 3 times")
    assert isinstance(world.announced[-1], events.QueryFailed)
    world.queue.append((kind, received))
    world.run()
    assert world.result(query)["status"] == "completed"


def test_a_failure_that_is_late_does_not_replace_a_result() -> None:
    """Only a failed result may be replaced."""
    world = World()
    query = world.query(10)
    world.step()
    kind, received = world.queue[0]
    world.run()
    structured = {"specversion": "1.0", "id": "1", "source": "/x", "type": kind, "data": events.to_data(received)}
    world.die("embed", "late", structured)
    world.run()
    assert world.result(query)["status"] == "completed"
    assert isinstance(world.announced[-1], events.SearchCompleted)


def test_prepared_pixels_that_are_missing_are_made_again() -> None:
    """Derived files can be thrown away at any time."""
    world = World()
    query = world.query(10)
    while world.queue[0][0] != events.ImagePreprocessed.TYPE:
        world.step()
    for info in list(world.store.list("derived")):
        world.store.delete("derived", info.key)
    world.run()
    assert world.result(query)["status"] == "completed"


def test_a_query_file_searches_several_photos_of_one_object() -> None:
    """Its parts trigger nothing themselves."""
    world = World()
    world.add("vase", 10)
    world.add("coin", 200)
    for name, value in (("1.jpg", 12), ("2.jpg", 199)):
        world.put("queries", f"local/me/r1/parts/{name}", bytes([value]))
    body = json.dumps({"photos": ["local/me/r1/parts/1.jpg", "local/me/r1/parts/2.jpg"]}).encode()
    version = world.put("queries", "local/me/r1/vase.query.json", body)
    world.run()
    result = world.result(upload_id("queries", "local/me/r1/vase.query.json", version))
    assert {(hit["object_id"], hit["query_image"]) for hit in result["hits"]} == {("vase", 0), ("coin", 1)}
    assert len(list(world.store.list("results"))) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "broken-query-file"),
        (b'{"photos": []}', "broken-query-file"),
        (b'{"photos": ["a","a","a","a","a","a","a","a","a"]}', "broken-query-file"),
        (b'{"photos": ["local/me/r1/x.query.json"]}', "not-a-part"),
        (b'{"photos": ["local/me/r1/parts/none.jpg"]}', "gone"),
        (b'{"photos": ["local/me/r0/none.jpg"]}', "gone"),
        (b'{"photos": ["local/you/r1/parts/secret.jpg"]}', "not-a-part"),
        (b'{"photos": ["other/me/r1/secret.jpg"]}', "not-a-part"),
        (b'{"photos": ["local/me/r1/parts/1.jpg"], "scope": "theirs"}', "broken-query-file"),
    ],
)
def test_a_bad_query_file_is_rejected_with_a_reason(body: bytes, code: str) -> None:
    """Each with its own code."""
    world = World()
    version = world.put("queries", "local/me/r1/x.query.json", body)
    world.run()
    assert world.result(upload_id("queries", "local/me/r1/x.query.json", version))["code"] == code


def asked(world: World, name: str = "x", **more: Any) -> dict[str, Any]:
    """The result of a query file for the photo of an earlier query, whose value is 10."""
    photo = "local/me/earlier/q.jpg"
    if world.store.head("queries", photo) is None:
        world.put("queries", photo, bytes([10]))
    key = f"local/me/{name}/again.query.json"
    version = world.put("queries", key, json.dumps({"photos": [photo], **more}).encode())
    world.run()
    return world.result(upload_id("queries", key, version))


@pytest.fixture
def three_museums() -> World:
    """Own and others' objects, all alike, published and not."""
    world = World()
    world.add("own vase", 10, TypologyGK="13", CreationTimeStart="1850", CreationTimeEnd="1870")
    world.add("own coin", 12, TypologyGK="5", CreationTimeStart="-480")
    world.add("lent", 11, museum="east", TypologyGK="13", PublicationLimit="1", CreationTimeEnd="1900")
    world.add("secret", 10, museum="east", TypologyGK="13", PublicationLimit="0", CreationTimeEnd="1860")
    world.add("north's", 14, museum="north", TypologyGK="5", PublicationLimit="1")
    world.run()
    return world


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, ["own vase", "lent", "own coin", "north's"]),
        ({"scope": "mine"}, ["own vase", "own coin"]),
        ({"scope": "others"}, ["lent", "north's"]),
        ({"filter": {"classes": [5]}}, ["own coin", "north's"]),
        ({"filter": {"classes": [5, 13], "museums": ["east"]}}, ["lent"]),
        ({"filter": {"museums": ["north", "local"]}}, ["own vase", "own coin", "north's"]),
        ({"filter": {"period": [1860, 1900]}}, ["own vase", "lent"]),
        ({"filter": {"period": [-500, -400]}}, ["own coin"]),
        ({"filter": {"period": [-9999, 9999]}}, ["own vase", "lent", "own coin"]),
        ({"scope": "mine", "filter": {"museums": ["east"]}}, []),
        ({"exclude": {"museum": "local", "object_id": "own vase"}}, ["lent", "own coin", "north's"]),
    ],
)
def test_a_query_file_says_among_which_objects_it_is_searched(
    three_museums: World, more: dict[str, Any], found: list[str]
) -> None:
    """What others have not published is never among them, and the result says what was asked for."""
    result = asked(three_museums, **more)
    assert [hit["object_id"] for hit in result["hits"]] == found
    assert result["scope"] == more.get("scope", "all")
    assert result["filter"] == (None if "filter" not in more else {"classes": [], "museums": [], "period": None} | more["filter"])
    assert result["exclude"] == more.get("exclude")
    assert [(photo["width"], photo["height"]) for photo in result["photos"]] == [(2, 2)]
    assert result["photos"][0]["display"].endswith("/display-")
    assert (result["reason"] is not None) == (found == [])


def test_a_query_file_asks_for_a_part_of_an_earlier_querys_photo(three_museums: World) -> None:
    """Without a second upload; the result says which part."""
    region = {"left": 0.25, "top": 0.0, "width": 0.5, "height": 1.0}
    result = asked(three_museums, region=region)
    assert result["status"] == "completed"
    assert result["region"] == region


def test_what_was_asked_for_survives_that_pixels_are_made_anew(three_museums: World) -> None:
    """embed sends the event back where a derived file is gone."""
    world = three_museums
    world.put("queries", "local/me/earlier/q.jpg", bytes([10]))
    world.run()
    world.cache = VectorCache()
    body = json.dumps({"photos": ["local/me/earlier/q.jpg"], "scope": "mine"}).encode()
    version = world.put("queries", "local/me/r2/x.query.json", body)
    while world.queue[0][0] != events.ImagePreprocessed.TYPE:
        world.step()
    for info in list(world.store.list("derived")):
        world.store.delete("derived", info.key)
    world.run()
    result = world.result(upload_id("queries", "local/me/r2/x.query.json", version))
    assert [hit["object_id"] for hit in result["hits"]] == ["own vase", "own coin"]


def test_an_unknown_bucket_is_rejected_and_its_neighbours_go_on() -> None:
    """One bad record hurts only itself."""
    world = World()
    world.add("vase", 10)
    query = world.query(10)
    notified = [event.body["Records"][0] for _, event in world.queue]
    notified.insert(
        1, {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "other"}, "object": {"key": "x", "eTag": "e"}}}
    )
    world.queue = [(BucketNotified.TYPE, BucketNotified(body={"Records": notified}))]
    world.run()
    assert world.result(query)["status"] == "completed"
    assert [one.code for one in world.announced if isinstance(one, events.ImageRejected)] == ["unknown-bucket"]


def outcome_of(world: World, key: str, version: str) -> outcome.Outcome:
    """The outcome of a catalogue photo."""
    found = outcome.read(world.store, "state", upload_id("catalogue", key, version))
    assert found is not None
    return found


def test_an_outcome_says_all_there_is_to_know() -> None:
    """Indexed, rejected, failed: every field, the trace that its logs are found by among them."""
    world = World()
    key = photo_key("local", "vase", "a.jpg")
    identity = {"museum": "local", "object_id": "vase", "bucket": "catalogue", "key": key}
    times = {"received_at": ANY, "ended_at": ANY}

    indexed = world.put("catalogue", key, bytes([10]))
    world.step()
    trace = world.queue[0][1].trace
    assert len(trace) == 32
    world.run()
    assert outcome_of(world, key, indexed) == outcome.Outcome(
        **identity,
        **times,
        upload_id=upload_id("catalogue", key, indexed),
        version=indexed,
        status="indexed",
        step="index",
        fingerprint="f" * 64,
        sha256=sha256(bytes([10])).hexdigest(),
        vectors=(events.Vector.pack(world.encoder.encode(np.full((1, 1, 1, 1), 10), fingerprint="f" * 64)[0], image=0),),
        trace=trace,
    )

    rejected = world.put("catalogue", key, bytes([20]))
    world.step()
    trace = world.queue[0][1].trace
    world.store.delete("catalogue", key)
    world.run()
    assert outcome_of(world, key, rejected) == outcome.Outcome(
        **identity,
        **times,
        upload_id=upload_id("catalogue", key, rejected),
        version=rejected,
        status="rejected",
        step="preprocess",
        code="gone",
        reason="gone",
        trace=trace,
    )

    failed = world.put("catalogue", key, bytes([30]))
    world.step()
    kind, received = world.queue.pop()
    structured = {
        "id": "1", "type": kind, "data": events.to_data(received), "traceparent": f"00-{received.trace}-{'b' * 16}-01",
    }  # fmt: skip
    world.die("preprocess", "its worker died 3 times", structured)
    world.run()
    assert outcome_of(world, key, failed) == outcome.Outcome(
        **identity,
        **times,
        upload_id=upload_id("catalogue", key, failed),
        version=failed,
        status="failed",
        step="preprocess",
        code="worker-dead",
        reason="its worker died 3 times",
        trace=received.trace,
    )


def test_a_result_names_its_trace_and_each_announcement_the_same() -> None:
    """A second notification, which begins another, announces what is stored."""
    world = World()
    query = world.query(10)
    kind, first = world.queue[0]
    world.run()
    body = {"Records": first.body["Records"], "EventName": "another notification of the same upload"}
    world.queue.append((kind, BucketNotified(body=body)))
    world.run()
    assert len(world.result(query)["trace"]) == 32
    assert [one.trace for one in world.announced if one.upload_id == query] == [world.result(query)["trace"]] * 2


BROKEN = [
    {"base64": "not base64!"},
    {"base64": "QUJD"},
    {"base64": ""},
    {"dim": 3},
    {"base64": base64.b64encode(bytes(4)).decode()},
    {"base64": base64.b64encode(np.full(2, np.nan, "<f2").tobytes()).decode()},
    {"base64": "ваза"},
]
"""What a vector of two float16 is not: no base64, half a number, nothing, another dimension, of no length, not finite."""


def embedded(world: World, kind: type[events.Embedded], **changes: Any) -> None:
    """Run until a photo is embedded, and change its event."""
    while world.queue[0][0] != kind.TYPE:
        world.step()
    world.queue[0] = (kind.TYPE, replace(world.queue[0][1], **changes))


@pytest.mark.parametrize("change", BROKEN)
def test_a_vector_that_cannot_be_read_is_a_rejection(change: dict[str, Any]) -> None:
    """Of a query and of a catalogue photo, also of one that is gone: no bug that is tried four times."""
    world = World()
    vector = replace(events.Vector.pack(np.array([1, 0], np.float32), image=0), **change)
    query = world.query(10)
    embedded(world, events.QueryEmbedded, vectors=(vector,))
    world.run()
    assert (world.result(query)["status"], world.result(query)["code"]) == ("rejected", "broken-vector")
    for gone in (False, True):
        key = photo_key("local", f"vase-{gone}", "a.jpg")
        version = world.put("catalogue", key, bytes([10]))
        embedded(world, events.CatalogueEmbedded, vectors=(vector,))
        if gone:
            world.store.delete("catalogue", key)
        world.run()
        assert (outcome_of(world, key, version).status, outcome_of(world, key, version).code) == ("rejected", "broken-vector")


def test_vectors_of_different_dimensions_are_no_query() -> None:
    """Each can be read, and they are not of one model."""
    world = World()
    query = world.query(10)
    vectors = tuple(events.Vector.pack(np.ones(dim, np.float32), image=0) for dim in (2, 3))
    embedded(world, events.QueryEmbedded, vectors=vectors)
    world.run()
    assert world.result(query)["code"] == "broken-vector"


@pytest.mark.parametrize("fingerprint", ["e" * 64, "", 'no "name" of a collection'])
def test_a_query_of_another_fingerprint_is_rejected(fingerprint: str) -> None:
    """Neither the live model's nor one whose collection is there: "nothing similar" would not be true."""
    world = World()
    world.add("vase", 10)
    world.run()
    query = world.query(10)
    embedded(world, events.QueryEmbedded, fingerprint=fingerprint)
    world.run()
    assert (world.result(query)["status"], world.result(query)["code"]) == ("rejected", "other-fingerprint")
    assert "upload it again" in world.result(query)["reason"]


def test_a_query_of_a_model_that_was_switched_off_is_searched_in_its_own_collection() -> None:
    """Its vectors were on their way at the switch."""
    world = World()
    world.add("vase", 10)
    world.run()
    query = world.query(10)
    embedded(world, events.QueryEmbedded)
    world.live_fingerprint = "e" * 64
    for other in ("0" * 64, "e" * 64):  # one of them is listed before its own
        world.rows.upsert(other, [(row_of("decoy", "a.jpg"), np.array([1, 0], np.float32))])
    world.run()
    assert [hit["object_id"] for hit in world.result(query)["hits"]] == ["vase"]


def another_model(world: World) -> str:
    """Is made live, and the catalogue raised again."""
    world.live_fingerprint = "e" * 64
    world.encoder.serves.add(world.live_fingerprint)
    for missing in everything(world.store, BUCKETS):
        world.queue.append((BucketNotified.TYPE, BucketNotified(body=notification(missing.change))))
    world.run()
    return world.live_fingerprint


def test_a_rebuild_embeds_what_the_live_model_has_not_seen() -> None:
    """Once: another rebuild embeds nothing, and the collection of the model before is there for the way back."""
    world = World()
    world.add("vase", 10)
    world.add("coin", 200)
    world.run()
    other = another_model(world)
    assert world.hits(10)[0] == "vase"
    runs = world.encoder.runs
    another_model(world)
    assert world.encoder.runs == runs
    assert (world.rows.count(other), world.rows.count(FINGERPRINT)) == (2, 2)
    world.live_fingerprint = FINGERPRINT
    assert world.hits(200)[0] == "coin"


def test_what_a_record_hides_is_hidden_in_the_collection_of_the_model_before() -> None:
    """Its rows cannot be written anew, since the outcome has the live model's vectors: they go."""
    world = World()
    world.add("vase", 10, PublicationLimit="1")
    world.add("coin", 200, PublicationLimit="1")
    world.run()
    other = another_model(world)
    world.put("catalogue", record_key("local", "vase"), b'{"PublicationLimit": "0"}')
    world.run()
    assert [row.public for row in world.rows.rows(other, "local", "vase")] == [False]
    assert world.rows.rows(FINGERPRINT, "local", "vase") == []
    assert len(world.rows.rows(FINGERPRINT, "local", "coin")) == 1


def test_a_search_in_an_empty_catalogue_is_completed_with_nothing_similar() -> None:
    """The live model's collection is not made before its first photo."""
    world = World()
    query = world.query(10)
    world.run()
    assert (world.result(query)["status"], world.result(query)["hits"]) == ("completed", [])
    assert "nothing similar" in world.result(query)["reason"]


class NotingIndex(MemoryIndex):
    """Notes how many rows are asked for. ``endless``: it is full of photos of one object."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.endless = False

    def search(self, fingerprint: str, vectors: Any, *, scope: Any, limit: int) -> Any:
        """See :class:`functions.ports.VectorIndex`."""
        self.asked.append(limit)
        if self.endless:
            return [[Match(row=row_of("much", str(number)), score=0.5) for number in range(limit)]]
        return super().search(fingerprint, vectors, scope=scope, limit=limit)


def row_of(object_id: str, key: str, view: str = "full") -> IndexRow:
    """A row of a photo."""
    return IndexRow(
        id=f"{object_id}/{key}/{view}", museum="local", object_id=object_id, class_code=0, public=True, status="active",
        bucket="catalogue", key=photo_key("local", object_id, key), version="v", view=view, sha256="s", record_version="",
    )  # fmt: skip


def test_an_object_with_hundreds_of_near_photos_leaves_room_for_a_hundred_objects() -> None:
    """Rows are asked for until there are enough objects."""
    world = World()
    near, far = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    world.rows.upsert(FINGERPRINT, [(row_of("much", f"{number}.jpg"), near) for number in range(1500)])
    world.rows.upsert(FINGERPRINT, [(row_of(f"o{number:03}", "a.jpg"), far) for number in range(120)])
    found = world.hits(0)
    assert (len(found), found[0]) == (100, "much")


def test_two_photos_an_object_with_two_views_each_leave_room_for_a_hundred_objects() -> None:
    """All four rows of an object are near a query of two views: 300 rows are of 75 objects, 600 of more than a hundred."""
    rows = NotingIndex()
    angles = {f"o{number:03}": number / 150 for number in range(150)}
    rows.upsert(
        FINGERPRINT,
        [
            (row_of(name, f"{photo}.jpg", view), np.array([np.cos(angle), np.sin(angle)], np.float32))
            for name, angle in angles.items()
            for photo in range(2)
            for view in ("full", "crop")
        ],
    )
    key = photo_key("local", "query", "a.jpg")
    vectors = tuple(Vector.pack(np.array([1, 0], np.float32), image=0, view=view) for view in ("full", "crop"))
    event = QueryEmbedded(
        museum="local", owner="o", lane="interactive", purpose="query", bucket="queries", key=key, version="v",
        upload_id=upload_id("queries", key, "v"), images=(), fingerprint=FINGERPRINT, vectors=vectors,
    )  # fmt: skip
    hits = search.nearest(event, search.queries_of(event), rows)
    assert [hit.row.object_id for hit in hits] == sorted(angles)[:100]
    assert rows.asked == [300, 600]


def test_a_search_asks_again_only_while_there_are_rows_and_never_for_more_than_milvus_gives() -> None:
    """16384 rows at most."""
    rows = NotingIndex()
    world = World(rows=rows)
    world.add("vase", 10)
    assert world.hits(10) == ["vase"]
    assert rows.asked == [300]
    rows.endless = True
    assert world.hits(10) == ["much"]
    assert rows.asked == [300, 300, 600, 1200, 2400, 4800, 9600, 16384]


def test_a_record_that_is_too_large_to_show_does_not_end_the_search() -> None:
    """Its object is a hit without a record, and its neighbours go on."""
    world = World()
    world.add("vase", 10, ShortDescription="я" * 600_000)
    world.add("coin", 12, Name="Монета")
    query = world.query(10)
    world.run()
    assert [(hit["object_id"], hit["record"]) for hit in world.result(query)["hits"]] == [
        ("vase", None),
        ("coin", {"Name": "Монета"}),
    ]


def mixed(world: World) -> dict[str, Any]:
    """A notification of two good records and, between them, one whose size is no number and one that is no record."""
    world.add("vase", 10)
    records = [event.body["Records"][0] for _, event in world.queue]
    world.queue.clear()
    records[1]["s3"]["object"]["size"] = "much"
    return {"Records": [records[0], 17, records[1]]}


def test_a_bad_record_is_kept_and_its_neighbours_go_on() -> None:
    """One bad record hurts only itself, and does not vanish."""
    world = World()
    world.queue = [(BucketNotified.TYPE, BucketNotified(body=mixed(world)))]
    world.run()
    assert world.hits(10) == ["vase"]
    (kept,) = world.unreadable()
    assert (kept["step"], "found 17" in kept["reason"]) == ("ingest", True)


def test_a_dead_notification_with_a_bad_record_fails_its_uploads_and_keeps_the_record() -> None:
    """Also here each record ends by itself."""
    world = World()
    structured = {"id": "1", "type": BucketNotified.TYPE, "data": {"body": mixed(world)}}
    world.die("ingest", "its worker died", structured)
    world.run()
    ended = [outcome.read(world.store, "state", one.upload_id) for one in world.announced if one.key]
    assert [(one.status, one.reason) for one in ended if one] == [("failed", "its worker died")] * 2
    assert ["found 17" in kept["reason"] for kept in world.unreadable()] == [True]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[]", b'"text"', b'{"hello": 1}', b'{"Records": 1}'])
def test_a_notification_that_is_none_is_kept_with_its_reason_and_announced(body: bytes) -> None:
    """It names no upload that a result could be of: a person finds it in the state bucket."""
    world = World()
    world.queue = [(BucketNotified.TYPE, BucketNotified(**notified(body)))]
    world.run()
    (kept,) = world.unreadable()
    assert kept["step"] == "ingest"
    assert "expected a bucket notification" in kept["reason"]
    assert [type(one) for one in world.announced] == [events.ImageRejected]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (events.ImageReceived.TYPE.replace(".v1", ".v0"), {"key": "local/me/r/q.jpg"}),
        (events.ImageReceived.TYPE, {"key": "local/me/r/q.jpg"}),
        (events.ImageReceived.TYPE, "{"),
        ("who.knows.v1", {}),
        (BucketNotified.TYPE, {"body": "{"}),
    ],
    ids=["older than supported", "without its fields", "broken JSON", "unknown type", "broken notification"],
)
def test_a_dead_event_that_cannot_be_read_is_kept_whole(kind: str, data: Any) -> None:
    """With the reason that the trigger had; what can still be read of it is not thrown away."""
    world = World()
    event = {"specversion": "1.0", "id": "17", "source": "/x", "type": kind, "data": data}
    world.die("preprocess", "preprocess answered 422", event)
    world.run()
    assert world.unreadable() == [{"step": "preprocess", "reason": "preprocess answered 422", "event": event}]


def test_a_query_whose_event_was_too_old_is_searched_by_the_sweep() -> None:
    """Nothing is lost: the photo is there, and has no result."""
    world = World()
    world.add("vase", 10)
    world.run()
    query = world.query(10)
    world.queue.clear()
    world.die("preprocess", "too old", {"id": "17", "type": events.ImageReceived.TYPE.replace(".v1", ".v0"), "data": {}})
    world.run()
    (lost,) = Sweep(world.store, BUCKETS).due(now=4e9)
    world.queue.append((BucketNotified.TYPE, BucketNotified(body=notification(lost.change))))
    world.run()
    assert world.result(query)["status"] == "completed"


def test_a_rebuilt_index_needs_no_embedding() -> None:
    """S3 is the truth: rows come back from the outcomes."""
    world = World()
    world.add("vase", 10)
    world.run()
    world.rows = MemoryIndex()
    runs = world.encoder.runs
    for info in world.store.list("catalogue"):
        world.notify("created", info.bucket, info.key, info.version, info.size)
    world.run()
    assert world.encoder.runs == runs
    assert world.hits(10) == ["vase"]


def test_a_photo_that_was_overwritten_and_restored_is_found() -> None:
    """A, B, and A again, before A was read for the first time: the same bytes are the same upload, and not lost."""
    world = World()
    key = photo_key("local", "vase", "a.jpg")
    world.put("catalogue", key, bytes([10]))
    world.put("catalogue", key, bytes([200]))
    world.run()
    world.put("catalogue", key, bytes([10]))
    world.run()
    query = world.query(10)
    world.run()
    assert [round(hit["score"], 3) for hit in world.result(query)["hits"]] == [1.0]


def test_a_query_that_was_overwritten_and_restored_is_searched() -> None:
    """A result that says "overwritten" tells of a moment."""
    world = World()
    world.add("vase", 10)
    world.run()
    key = "local/me/r/q.jpg"
    version = world.put("queries", key, bytes([10]))
    world.put("queries", key, bytes([200]))
    world.run()
    assert world.result(upload_id("queries", key, version))["code"] == "superseded"
    world.put("queries", key, bytes([10]))
    world.run()
    assert world.result(upload_id("queries", key, version))["status"] == "completed"


def test_an_object_that_changes_while_it_is_indexed_is_compared_again() -> None:
    """The photo goes, and its removal was handled already, between the first listing and the write of its row."""
    world = World()
    key = world.add("vase", 10)
    while not any(kind == events.CatalogueEmbedded.TYPE for kind, _ in world.queue):
        world.step()

    class Overtaken(MemoryIndex):
        """Somebody deletes the photo just before the first write."""

        def upsert(self, fingerprint: str, rows: Any) -> None:
            world.store.delete("catalogue", key)
            super().upsert(fingerprint, rows)

    world.rows = Overtaken()
    world.queue = [one for one in world.queue if one[0] == events.CatalogueEmbedded.TYPE]
    world.run()
    assert list(world.rows.rows("f" * 12, "local", "vase")) == []


def link(world: World, draft: str, object_id: str | None, *, museum: str = "local") -> None:
    """Say in a draft's card what it became."""
    handle = object_handle(museum, object_id) if object_id else None
    state: Any = "linked" if object_id else "exported"
    made = Draft(fields={}, state=state, linked_to=handle, created=0, changed=0, by="x", changed_by="x", whole=True)
    world.store.put("state", card_key(museum, draft), msgspec.json.encode(made), content_type="x/y")


def test_a_card_that_became_a_record_is_found_once_as_the_record() -> None:
    """Else a museum's own object would be there twice, and its draft would be called the sample."""
    world = World()
    world.add("draft-1", 10, Name="Ваза, черновик")
    world.add("vase", 14, Name="Ваза")
    world.add("coin", 200)
    assert world.hits(10) == ["draft-1", "vase", "coin"]
    link(world, "draft-1", "vase")
    assert world.hits(11) == ["vase", "coin"]
    world.delete("catalogue", photo_key("local", "vase", "a.jpg"))
    query = world.query(12)
    world.run()
    first = world.result(query)["hits"][0]
    assert (first["object_id"], first["record"], first["image"]) == (
        "vase",
        {"Name": "Ваза"},
        photo_key("local", "draft-1", "a.jpg"),
    )


def test_what_is_like_a_card_is_not_the_record_that_it_became() -> None:
    """Nor the other way round: both are the object that was asked about."""
    world = World()
    for object_id, value in {"draft-1": 10, "vase": 14, "coin": 200}.items():
        world.add(object_id, value)
    link(world, "draft-1", "vase")
    for object_id in ("draft-1", "vase"):
        result = asked(world, object_id, exclude={"museum": "local", "object_id": object_id})
        assert [hit["object_id"] for hit in result["hits"]] == ["coin"]


def test_the_card_of_the_searched_photos_is_no_hit_of_theirs() -> None:
    """A narrowed search of the same photos would offer the card's own words as a sample; another upload of them finds it."""
    world = World()
    world.add("draft-earlier", 10, Name="Моё")
    world.add("vase", 14, Name="Ваза")
    result = asked(world)
    assert [hit["object_id"] for hit in result["hits"]] == ["vase"]
    assert [offer["value"] for offer in result["draft"]["Name"]] == ["Ваза"]
    assert world.hits(10) == ["draft-earlier", "vase"]


@pytest.mark.parametrize("became", ["gone", None])
def test_a_card_whose_record_is_gone_or_not_yet_there_is_found_itself(became: str | None) -> None:
    """It is all that is left of the object."""
    world = World()
    world.add("draft-1", 10, Name="Ваза")
    link(world, "draft-1", became)
    assert world.hits(10) == ["draft-1"]


def test_what_another_museum_linked_is_its_own_matter() -> None:
    """The record may be one that is not published."""
    world = World()
    world.add("draft-1", 10, museum="other", Name="Ваза", PublicationLimit="1")
    world.add("vase", 14, museum="other", Name="Ваза")
    link(world, "draft-1", "vase", museum="other")
    assert world.hits(10) == ["draft-1"]
