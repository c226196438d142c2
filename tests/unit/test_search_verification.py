"""Comparing the first hits by local features at search: what is read, made, left out, and what the result says."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from functions.adapters.memory import MemoryIndex, MemoryStore
from functions.catalogue.calibration import Calibration
from functions.catalogue.hits import ObjectHit, ObjectId
from functions.catalogue.record import Record
from functions.catalogue.threshold import Tail, stretched
from functions.events import PreparedImage, QueryEmbedded, Vector
from functions.ports import IndexRow, StoredObject
from functions.results import Result, decode, encode
from functions.search.collection import Collection
from functions.search.handler import result_of
from functions.search.records import Wanted
from functions.search.verification import DESCRIBED, Verifier, Verify, unverified, verifier_of
from functions.verify.features import describe, key_of, pack
from tests.unit.test_verify import hit, on_a_wall, textured

ON_A_WALL = on_a_wall(textured(2), (300, 150, 360, 270))
PATIENT = 60.0
"""Seconds: the machine that runs the tests may be busy."""


class Reads(MemoryStore):
    """A store that tells what it was asked for."""

    def __init__(self) -> None:
        super().__init__("derived")
        self.asked: list[str] = []

    def get(self, bucket: str, key: str, *, limit: int | None = None) -> StoredObject | None:
        """Noted."""
        self.asked.append(key)
        return super().get(bucket, key, limit=limit)


def store_with(**pictures: Image.Image) -> Reads:
    """A store that holds the features of these photos."""
    store = Reads()
    for name, picture in pictures.items():
        store.put("derived", key_of(name), pack(describe(picture)), content_type="x/y")
    return store


def put_copy(store: MemoryStore, name: str, picture: Image.Image) -> None:
    """The display copy of a photo that was prepared before there were features."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    store.put("derived", f"{name}/display-1280.jpg", buffer.getvalue(), content_type="image/jpeg")


def query(features: str = "query/rootsift256-v1.bin") -> QueryEmbedded:
    """A query of one photo."""
    image = PreparedImage(
        bucket="queries", key="q", version="1", sha256="query", width=900, height=700, format="JPEG", preprocessing="test",
        pixels="query/pixels.npy", display="query/display-", features=features,
    )  # fmt: skip
    vector = Vector.pack(np.array([1, 0], np.float32), image=0)
    return QueryEmbedded(
        museum="local", owner="ann", lane="interactive", purpose="query", upload_id="u", bucket="queries", key="q", version="1",
        query_id="u", images=(image,), fingerprint="f" * 64, vectors=(vector,),
    )  # fmt: skip


def names(hits: Sequence[ObjectHit]) -> list[str]:
    """The objects in their order."""
    return [one.row.object_id for one in hits]


HITS = [hit(name, score) for name, score in (("a", 0.9), ("b", 0.8), ("c", 0.7))]


def test_the_object_on_the_wall_comes_first() -> None:
    """It was third by its cosine."""
    store = store_with(query=ON_A_WALL, a=textured(8), b=textured(9), c=textured(2))
    hits, matches = Verifier(store, "derived", limit=PATIENT)(query(), HITS)
    assert names(hits) == ["c", "a", "b"]
    assert matches["local", "c"].inliers > 30


def test_features_are_read_once() -> None:
    """What lies under a photo's hash never changes."""
    store = store_with(query=ON_A_WALL, a=textured(8), b=textured(9), c=textured(2))
    verify = Verifier(store, "derived", limit=PATIENT)
    verify(query(), HITS)
    assert sorted(store.asked) == [key_of(name) for name in ("a", "b", "c", "query")]
    verify(query(), HITS)
    assert len(store.asked) == 4


def test_what_is_not_compared_in_time_keeps_its_place() -> None:
    """No time at all: the order by score."""
    store = store_with(query=ON_A_WALL, c=textured(2))
    assert Verifier(store, "derived", limit=0.0)(query(), HITS) == (HITS, {})


def test_missing_features_are_made_from_the_display_copy_and_stored() -> None:
    """Photos of before; a few a query, and the others at the next."""
    store = store_with(query=ON_A_WALL)
    for name, seed in (("a", 8), ("b", 9), ("c", 2)):
        put_copy(store, name, textured(seed))
    stored = lambda: [name for name in ("a", "b", "c") if store.head("derived", key_of(name))]  # noqa: E731
    Verifier(store, "derived", limit=PATIENT)(query(), HITS)
    assert len(stored()) == DESCRIBED
    hits, _ = Verifier(store, "derived", limit=PATIENT)(query(), HITS)
    assert len(stored()) == 3
    assert names(hits) == ["c", "a", "b"]


@pytest.mark.parametrize(
    "body", [b"", b"\x80\x04K\x01.", pack(describe(textured(2)))[:-1], bytes(100_000)], ids=["empty", "pickle", "cut", "large"]
)
def test_broken_features_are_made_anew(body: bytes) -> None:
    """Nothing else would ever replace them."""
    store = store_with(query=ON_A_WALL, a=textured(8), b=textured(9))
    store.put("derived", key_of("c"), body, content_type="x/y")
    put_copy(store, "c", textured(2))
    assert names(Verifier(store, "derived", limit=PATIENT)(query(), HITS)[0]) == ["c", "a", "b"]


def test_a_photo_without_features_and_display_copy_keeps_its_place() -> None:
    """Derived files may be deleted at any time."""
    assert Verifier(store_with(query=ON_A_WALL), "derived", limit=PATIENT)(query(), HITS) == (HITS, {})


def test_an_older_event_that_names_no_features_is_searched_as_before() -> None:
    """A query on its way during an upgrade."""
    store = store_with(c=textured(2))
    assert Verifier(store, "derived", limit=PATIENT)(query(features=""), HITS) == (HITS, {})


def test_a_query_without_hits_asks_for_nothing() -> None:
    """An empty collection."""
    store = Reads()
    assert Verifier(store, "derived")(query(), []) == ([], {})
    assert store.asked == []


def test_the_setting_turns_it_off() -> None:
    """``MUSEUM_RERANK=off``."""
    assert verifier_of(Reads(), "derived", rerank="off") is unverified
    assert isinstance(verifier_of(Reads(), "derived", rerank="on"), Verifier)


def result_with(verify: Verify) -> Result:
    """The stored result of the query on three objects that lie 0.9, 0.8 and 0.7 from it."""
    rows = MemoryIndex()
    entries: list[tuple[IndexRow, np.ndarray]] = [
        (one.row, np.array([one.score, (1 - one.score**2) ** 0.5], np.float32)) for one in HITS
    ]
    rows.upsert("f" * 64, entries)
    tail = Tail(compared=3, strangers=50, start=stretched(0.85), share=0.02, scale=0.01)
    calibration = Calibration(version=2, fingerprint="f" * 64, size=3, photos=3, objects=3, made_at=0.0, strangers=tail)
    known = Collection(size=3, calibration=calibration)

    def records(wanted: Sequence[Wanted]) -> dict[ObjectId, Record]:
        """Each names itself."""
        return {one: Record(museum=one[0], object_id=one[1], fields={"MainWord": one[1]}) for one, _, _ in wanted}

    made = result_of(query(), rows=rows, records=records, linked=lambda _: {}, verify=verify, collection=lambda _: known)
    return decode(encode(made))


def test_a_draft_is_made_from_what_is_similar_or_shows_the_same_thing() -> None:
    """Of cosines 0.9, 0.8 and 0.7 the first alone is above the threshold, 0.85; the photo of the last is of the same thing."""
    store = store_with(query=ON_A_WALL, a=textured(8), b=textured(9), c=textured(2))
    drafts = [result_with(verify).draft["MainWord"] for verify in (unverified, Verifier(store, "derived", limit=PATIENT))]
    assert [[offer.value for offer in offers] for offers in drafts] == [["a"], ["a", "c"]]


def test_a_result_says_why_a_hit_is_first_and_leaves_its_score() -> None:
    """Inliers and the outlines in both photos; cosine, verdict and class are as they were."""
    store = store_with(query=ON_A_WALL, a=textured(8), b=textured(9), c=textured(2))
    plain, moved = result_with(unverified), result_with(Verifier(store, "derived", limit=PATIENT))
    assert [one.object_id for one in plain.hits] == ["a", "b", "c"]
    assert [one.object_id for one in moved.hits] == ["c", "a", "b"]
    assert [one.rank for one in moved.hits] == [1, 2, 3]
    assert {one.object_id: one.score for one in moved.hits} == {one.object_id: one.score for one in plain.hits}
    first = moved.hits[0]
    assert first.inliers is not None
    assert first.inliers > 30
    assert first.region is not None
    assert len(first.region.query) == len(first.region.hit) == 4
    assert all(0 <= value <= 1 for corner in first.region.query + first.region.hit for value in corner)
    assert all(one.inliers is None and one.region is None for one in plain.hits)
    assert moved.verdict is not None
    assert moved.verdict.similar, "the threshold, 0.85, is one of best cosines: 0.9 here, whoever comes first"
    assert moved.verdict == plain.verdict
    assert moved.class_ == plain.class_, "the vote weighs cosines"
