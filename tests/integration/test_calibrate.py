"""`museum calibrate` against the stack's own servers."""

from __future__ import annotations

from functions.cli.calibrate import calibrate
from functions.search import collection
from tests.fixtures.stack import OBJECTS, Running
from tests.pictures import jpeg


def test_a_collection_of_a_few_photos_is_read_and_nothing_is_claimed_of_it(running: Running) -> None:
    """Vectors, records and rows are those of S3 and Milvus; each part says what it lacks, and a search says nothing by it."""
    made = calibrate(running.stack.environment())
    assert made.objects >= OBJECTS
    assert made.size >= made.photos >= made.objects
    assert {"similar", "class", "same_object", "same_edition", "same_kind"} <= set(made.missing)
    stored = running.store.get("state", collection.calibration_key(made.fingerprint))
    assert stored is not None
    assert collection.decoded(stored.body) == made
    result = running.search(jpeg(1))
    assert result["verdict"]["similar"] is None
    assert {(hit["relation"], hit["duplicate"]) for hit in result["hits"]} == {(None, None)}
