"""What a query file asks for, on the whole stack: whose objects, which, of what time, and with an earlier query's photo."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from functions import live, outcome
from functions.adapters.milvus import MilvusIndex
from functions.catalogue.keys import photo_key, query_key, record_key
from functions.events import Filter, ObjectName, Region, upload_id
from functions.queries import QueryFile, encode
from tests.contract.test_vector_index import made_before_years
from tests.fixtures.stack import Running, wait_for
from tests.pictures import jpeg

SEED = 140
PHOTO = query_key("local", "asking", "earlier", "q.jpg")
CATALOGUED = {
    ("local", "asked-own"): {"TypologyGK": "13", "CreationTimeStart": "1850", "CreationTimeEnd": "1870"},
    ("local", "asked-coin"): {"TypologyGK": "5", "CreationTimeStart": "-480"},
    ("asking-east", "asked-shown"): {"TypologyGK": "5", "PublicationLimit": "1", "CreationTimeEnd": "1860"},
    ("asking-east", "asked-secret"): {"TypologyGK": "5", "PublicationLimit": "0", "CreationTimeEnd": "1860"},
}


@pytest.fixture(scope="module")
def asking(running: Running) -> Running:
    """The stack with the same photo catalogued by two museums, and searched once before."""
    for number, ((museum, object_id), record) in enumerate(CATALOGUED.items()):
        running.store.put("catalogue", record_key(museum, object_id), json.dumps(record).encode(), content_type="x/y")
        key = photo_key(museum, object_id, "a.jpg")
        version = running.store.put("catalogue", key, jpeg(SEED, quality=80 + number), content_type="image/jpeg")
        identity = upload_id("catalogue", key, version)
        ended = wait_for(f"the outcome of {key}", lambda identity=identity: outcome.read(running.store, "state", identity))  # type: ignore[misc]  # bound in the loop
        assert ended.status == "indexed"
    running.result(PHOTO, running.store.put("queries", PHOTO, jpeg(SEED), content_type="image/jpeg"))
    return running


def result_of(asking: Running, owner: str = "asking", photo: str = PHOTO, **asked: Any) -> dict[str, Any]:
    """The result of a query file that names the earlier query's photo."""
    key = query_key("local", owner, f"{time.time_ns():x}", "again.query.json")
    body = encode(QueryFile(photos=(photo,), **asked))
    return asking.result(key, asking.store.put("queries", key, body, content_type="application/json"))


def alike(result: dict[str, Any]) -> set[str]:
    """The objects of this test among the hits."""
    return {hit["object_id"] for hit in result["hits"] if hit["object_id"].startswith("asked-")}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, {"asked-own", "asked-coin", "asked-shown"}),
        ({"scope": "mine"}, {"asked-own", "asked-coin"}),
        ({"scope": "others"}, {"asked-shown"}),
        ({"filter": Filter(classes=(5,))}, {"asked-coin", "asked-shown"}),
        ({"filter": Filter(classes=(5, 13), museums=("asking-east",))}, {"asked-shown"}),
        ({"filter": Filter(period=(1860, 1900))}, {"asked-own", "asked-shown"}),
        ({"filter": Filter(period=(-500, -400))}, {"asked-coin"}),
        ({"exclude": ObjectName(museum="local", object_id="asked-own")}, {"asked-coin", "asked-shown"}),
    ],
)
def test_an_earlier_querys_photo_is_searched_among_what_is_asked_for(
    asking: Running, asked: dict[str, Any], found: set[str]
) -> None:
    """Without a second upload, and never among what another museum has not published."""
    result = result_of(asking, **asked)
    assert result["status"] == "completed", result["reason"]
    assert alike(result) == found
    if asked.get("scope") == "mine":
        assert {hit["museum"] for hit in result["hits"]} == {"local"}
    assert result["scope"] == asked.get("scope", "all")
    ((photo, width, height),) = [(one["display"], one["width"], one["height"]) for one in result["photos"]]
    assert asking.store.head("derived", f"{photo}320.jpg") is not None
    assert min(width, height) > 100


def test_a_part_of_an_earlier_querys_photo_is_searched(asking: Running) -> None:
    """The crop that a person draws."""
    region = Region(left=0, top=0, width=0.9, height=0.9)
    result = result_of(asking, region=region, scope="mine")
    assert result["region"] == {"left": 0, "top": 0, "width": 0.9, "height": 0.9}
    assert alike(result) >= {"asked-own"}


def test_another_owners_photo_is_not_searched(asking: Running) -> None:
    """Nor is it shown."""
    result = result_of(asking, owner="curious")
    assert (result["status"], result["code"], result["photos"]) == ("rejected", "not-a-part", [])


@pytest.mark.timeout(300)
def test_an_index_of_before_objects_had_years_is_searched_and_is_made_anew_by_a_rebuild(asking: Running) -> None:
    """A period is refused with what to do, and found when that is done."""
    settings = asking.stack.settings()
    model = live.read(asking.store, "state").fingerprint
    index = MilvusIndex(settings.museum_milvus_uri)
    one = outcome.read(asking.store, "state", upload_id("catalogue", *photo_of(asking, "asked-own")))
    assert one is not None
    index.client.drop_collection("images_" + model[:12])
    made_before_years(index, model, one.vectors[0].dim)
    asking.store.put("catalogue", photo_key("local", "asked-later", "a.jpg"), jpeg(SEED), content_type="image/jpeg")
    wait_for("a photo in the older index", lambda: alike(result_of(asking)) or None)
    refused = result_of(asking, filter=Filter(period=(1860, 1900)))
    assert (refused["status"], refused["code"]) == ("rejected", "no-years")
    command = [sys.executable, "-m", "functions.cli.main", "reconcile", "--rebuild", "--state", str(asking.stack.folder)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "made anew" in said
    wait_for(
        "years in the index",
        lambda: alike(result_of(asking, filter=Filter(period=(1860, 1900)))) == {"asked-own", "asked-shown"} or None,
    )
    wait_for("everything in the index", lambda: alike(result_of(asking)) >= {"asked-own", "asked-coin", "asked-later"} or None)
    wait_for("the stack's own objects", lambda: asking.found(jpeg(3))[0] == "object-3" or None)


def photo_of(asking: Running, object_id: str) -> tuple[str, str]:
    """Key and version of a catalogued photo."""
    info = asking.store.head("catalogue", photo_key("local", object_id, "a.jpg"))
    assert info is not None
    return info.key, info.version
