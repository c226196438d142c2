"""The preprocess handler on the in-memory store: what it writes, what it hands on, what it refuses."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow

from functions.adapters.memory import MemoryStore
from functions.errors import Reject
from functions.events import Image, ImagePreprocessed, ImageReceived, Lane, Region
from functions.pixels import PREPROCESSING, SIZE, pixels
from functions.ports import ObjectInfo, StoredObject
from functions.preprocess.decode import limits_by_lane
from functions.preprocess.handler import preprocess, side_for
from functions.runtime.carry import carried
from functions.verify.features import key_of, unpack
from tests.pictures import picture

LIMITS = limits_by_lane(40_000_000, 200_000_000)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def photo(left: tuple[int, int, int] = RED, right: tuple[int, int, int] = BLUE) -> bytes:
    """400 × 200 pixels, one colour on the left and one on the right."""
    image = Pillow.new("RGB", (400, 200), right)
    image.paste(left, (0, 0, 200, 200))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class ReadsCounted(MemoryStore):
    """A store that tells what it was asked."""

    def __init__(self, *buckets: str) -> None:
        super().__init__(*buckets)
        self.asked: list[tuple[str, str]] = []

    def get(self, bucket: str, key: str, *, limit: int | None = None) -> StoredObject | None:
        """Counted."""
        self.asked.append(("get", key))
        return super().get(bucket, key, limit=limit)

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """Counted."""
        self.asked.append(("head", key))
        return super().head(bucket, key)


def store_with(*bodies: bytes) -> tuple[ReadsCounted, ImageReceived]:
    """A store that holds the photos, and the event that names them."""
    store = ReadsCounted("queries", "derived")
    images = tuple(
        Image(
            bucket="queries",
            key=f"local/{number}.jpg",
            version=store.put("queries", f"local/{number}.jpg", body, content_type="x/y"),
        )
        for number, body in enumerate(bodies)
    )
    return store, ImageReceived(
        museum="local", owner="ann", lane="interactive", purpose="query", upload_id="u", bucket="queries", key="local/0.jpg",
        version=images[0].version, query_id="u", received_at=1.5, stages={"ingest": 2.0}, images=images,
    )  # fmt: skip


def run(store: MemoryStore, event: ImageReceived) -> ImagePreprocessed:
    """The handler with this test's bucket and limits."""
    return preprocess(event, store=store, derived="derived", limits=LIMITS)


def pixels_of(store: MemoryStore, key: str) -> np.ndarray:
    """A stored array."""
    found = store.get("derived", key)
    assert found is not None
    array: np.ndarray = np.load(io.BytesIO(found.body), allow_pickle=False)
    return array


def test_a_photo_becomes_pixels_two_display_copies_and_local_features() -> None:
    """Four files under the hash of the photo; the event says where, and what the original was."""
    body = photo()
    store, event = store_with(body)
    made = run(store, event)
    (image,) = made.images
    digest = hashlib.sha256(body).hexdigest()
    assert [info.key for info in store.list("derived")] == [
        f"{digest}/display-1280.jpg", f"{digest}/display-320.jpg", key_of(digest), f"{digest}/{PREPROCESSING}.npy",
    ]  # fmt: skip
    assert (image.pixels, image.display) == (f"{digest}/{PREPROCESSING}.npy", f"{digest}/display-")
    assert image.features == key_of(digest)
    assert (image.width, image.height, image.format, image.sha256) == (400, 200, "PNG", digest)
    assert (image.version, image.preprocessing) == (event.images[0].version, PREPROCESSING)
    assert carried(made) == carried(event)
    assert pixels_of(store, image.pixels).shape == (SIZE, SIZE, 3)


def test_a_photo_is_read_once_and_nothing_else_is_asked() -> None:
    """Each S3 call costs 2 ms of CPU."""
    store, event = store_with(photo())
    run(store, event)
    assert store.asked == [("get", "local/0.jpg")]


def test_delivered_again_it_writes_the_same() -> None:
    """The same keys with the same bytes."""
    store, event = store_with(photo())
    first = run(store, event)
    before = [(info.key, info.version) for info in store.list("derived")]
    assert run(store, event) == first
    assert [(info.key, info.version) for info in store.list("derived")] == before


def test_a_region_is_what_the_encoder_sees_and_people_see_all() -> None:
    """The right half of the first photo; the display copies and the second photo stay whole."""
    store, event = store_with(photo(), photo(BLUE, RED))
    region = Region(left=0.5, top=0, width=0.5, height=1)
    first, second = run(store, replace(event, region=region)).images
    seen = pixels_of(store, first.pixels)
    assert np.all(seen == BLUE), "224 × 224 of the blue half"
    assert len(np.unique(pixels_of(store, second.pixels).reshape(-1, 3), axis=0)) > 2
    copy = store.get("derived", f"{first.display}320.jpg")
    assert copy is not None
    assert Pillow.open(io.BytesIO(copy.body)).size == (320, 160)


def test_pixels_of_a_region_never_replace_those_of_the_whole() -> None:
    """The same photo is searched whole and by two regions: three files of pixels, and of local features."""
    store, event = store_with(photo())
    regions = (None, Region(left=0, top=0, width=0.5, height=1), Region(left=0.25, top=0, width=0.5, height=1))
    made = [run(store, replace(event, region=region)).images[0] for region in regions]
    assert len({image.pixels for image in made}) == len({image.features for image in made}) == 3


def test_local_features_of_a_region_lie_in_it() -> None:
    """A neighbour of what a person drew a box around is not asked for."""
    buffer = io.BytesIO()
    picture(3).save(buffer, "PNG")
    store, event = store_with(buffer.getvalue())
    (image,) = run(store, replace(event, region=Region(left=0, top=0, width=0.5, height=1))).images
    stored = store.get("derived", image.features)
    assert stored is not None
    points = unpack(stored.body).points
    assert len(points) > 0
    assert points[:, 0].max() <= 0.5


def test_a_region_of_nearly_nothing_is_refused() -> None:
    """Below 8 pixels a side there is nothing to compare."""
    store, event = store_with(photo())
    with pytest.raises(Reject) as caught:
        run(store, replace(event, region=Region(left=0.5, top=0.5, width=0.01, height=0.5)))
    assert caught.value.code == "region-too-small"


@pytest.mark.parametrize(
    ("region", "side"),
    [
        (None, 1280),
        (Region(left=0, top=0, width=1, height=1), 1280),
        (Region(left=0, top=0, width=0.2, height=0.1), 2240),
        (Region(left=0, top=0, width=0.01, height=0.01), 2560),
    ],
)
def test_a_small_region_is_cut_from_a_larger_picture(region: Region | None, side: int) -> None:
    """Twice the encoder's 224 px, within what memory allows."""
    assert side_for(region) == side


def test_a_photo_that_is_gone_is_refused() -> None:
    """Deleted between the event and its reading."""
    store, event = store_with(photo())
    store.delete("queries", "local/0.jpg")
    with pytest.raises(Reject) as caught:
        run(store, event)
    assert caught.value.code == "gone"


def test_a_photo_that_was_overwritten_is_refused() -> None:
    """The newer version has its own event."""
    store, event = store_with(photo())
    store.put("queries", "local/0.jpg", photo(BLUE, RED), content_type="image/png")
    with pytest.raises(Reject) as caught:
        run(store, event)
    assert caught.value.code == "superseded"
    assert list(store.list("derived")) == []


@pytest.mark.parametrize(("lane", "refused"), [("interactive", True), ("bulk", False)])
def test_each_lane_has_its_own_limit_of_bytes(lane: Lane, refused: bool) -> None:
    """A master of an import may be larger than a person's upload."""
    store, event = store_with(photo())
    limits = limits_by_lane(100, 1_000_000)
    if refused:
        with pytest.raises(Reject) as caught:
            preprocess(replace(event, lane=lane), store=store, derived="derived", limits=limits)
        assert caught.value.code == "too-large"
    else:
        assert preprocess(replace(event, lane=lane), store=store, derived="derived", limits=limits).images


def test_one_bad_photo_of_several_refuses_the_query() -> None:
    """A query is one object: a part of it would be another query."""
    store, event = store_with(photo(), b"no photo")
    with pytest.raises(Reject) as caught:
        run(store, event)
    assert caught.value.code == "not-an-image"


@pytest.mark.parametrize(("size", "rows", "columns"), [((448, 224), (56, 168), (0, 224)), ((10, 100), (0, 224), (101, 123))])
def test_pixels_are_centred_on_black_with_the_longest_side_full(
    size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """Nothing is cropped, and a small picture is enlarged: the ends of a sword count."""
    seen = pixels(Pillow.new("RGB", size, (255, 255, 255)))
    assert seen.shape == (SIZE, SIZE, 3)
    assert seen.dtype == np.uint8
    lit = np.argwhere(seen.any(axis=2))
    assert (lit[:, 0].min(), lit[:, 0].max() + 1) == rows
    assert (lit[:, 1].min(), lit[:, 1].max() + 1) == columns
    assert np.all(seen[rows[0] : rows[1], columns[0] : columns[1]] == 255)
