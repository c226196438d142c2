"""Local features: what is described, how it travels, what matches and what must not."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from functions.catalogue.hits import ObjectHit
from functions.events import Region
from functions.ports import IndexRow
from functions.verify import features, order
from functions.verify.features import MAGIC, MAX_BYTES, MOST, BrokenFeatures, LocalFeatures, describe, inside, pack, unpack
from functions.verify.match import LEAST, Match, match


def textured(seed: int, size: tuple[int, int] = (480, 360)) -> Image.Image:
    """Blotches of three sizes: as full of detail as a painting, and like no other seed's."""
    random = np.random.default_rng(seed)
    layers = [
        Image.fromarray(random.integers(0, 256, (size[1] // grain, size[0] // grain, 3), dtype=np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        for grain in (40, 16, 8)
    ]
    return Image.fromarray(np.mean([np.asarray(layer, np.float32) for layer in layers], axis=0).astype(np.uint8))


def on_a_wall(picture: Image.Image, box: tuple[int, int, int, int], size: tuple[int, int] = (900, 700)) -> Image.Image:
    """The picture hung on a plain wall at a box (left, top, width, height), in less light."""
    wall = Image.new("RGB", size, (150, 140, 130))
    wall.paste(picture.resize(box[2:], Image.Resampling.BICUBIC), box[:2])
    return wall.point(lambda value: value * 0.8)


def described(picture: Image.Image) -> LocalFeatures:
    """As it comes back from the store."""
    return unpack(pack(describe(picture)))


def hit(name: str, score: float, class_code: int = 1) -> ObjectHit:
    """A hit of an object of that name."""
    row = IndexRow(
        id=name, museum="local", object_id=name, class_code=class_code, public=False, status="active", bucket="catalogue",
        key=name, version="1", view="full", sha256=name, record_version="",
    )  # fmt: skip
    return ObjectHit(row=row, score=score, query_image=0)


def found(inliers: int) -> Match:
    """A match of so many inliers."""
    corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    return Match(inliers=inliers, query=corners, candidate=corners)


def test_a_changed_copy_matches_with_many_inliers() -> None:
    """Turned by 20°, smaller and darker, it is still the same."""
    changed = textured(1).rotate(20, Image.Resampling.BICUBIC).resize((300, 225)).point(lambda value: value * 0.7)
    seen = match(described(changed), described(textured(1)))
    assert seen is not None
    assert seen.inliers >= 2 * order.SURE


def test_two_different_objects_do_not_match() -> None:
    """None of 45 pairs of pictures is sure."""
    pictures = [described(textured(seed)) for seed in range(10)]
    pairs = [match(one, other) for place, one in enumerate(pictures) for other in pictures[:place]]
    assert max((pair.inliers for pair in pairs if pair is not None), default=0) < order.SURE


@pytest.mark.parametrize(("places", "matches"), [(LEAST - 1, False), (LEAST + 1, True)])
def test_features_at_few_places_are_no_match_however_many_they_are(places: int, matches: bool) -> None:
    """Four points fit any plane, and one corner has several features: what agrees is counted by places."""
    random = np.random.default_rng(7)
    spread = np.array([[0.1, 0.1], [0.8, 0.15], [0.2, 0.75], [0.7, 0.8], [0.5, 0.4], [0.3, 0.5]], np.float32)
    points = np.repeat(spread[:places], 3, axis=0)
    descriptors = features.root(random.random((len(points), 128), dtype=np.float32))
    one = LocalFeatures(width=400, height=400, points=points, descriptors=descriptors)
    assert (match(one, one) is not None) is matches


def test_the_outline_lies_on_the_object_on_a_wall() -> None:
    """Its corners are within the object, and it covers most of it."""
    left, top, width, height = 300, 150, 360, 270
    seen = match(described(on_a_wall(textured(2), (left, top, width, height))), described(textured(2)))
    assert seen is not None
    corners = np.array(seen.query) * (900, 700)
    assert np.all(corners >= (left - 8, top - 8))
    assert np.all(corners <= (left + width + 8, top + height + 8))
    (right, bottom), (x, y) = corners.max(axis=0), corners.min(axis=0)
    assert (right - x) * (bottom - y) > 0.7 * width * height
    here = (np.array(seen.query) * (900, 700) - (left, top)) / (width, height)
    assert np.allclose(here, seen.candidate, atol=0.03), "each corner is where the candidate has it"


def test_a_mirror_image_does_not_match() -> None:
    """No view of a thing is its mirror image."""
    seen = match(described(textured(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT)), described(textured(3)))
    assert seen is None or seen.inliers < order.SURE


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (3, 3), (40, 30)])
def test_a_picture_without_texture_has_no_features_and_matches_nothing(size: tuple[int, int]) -> None:
    """Also one pixel, and a line."""
    plain = described(Image.new("RGB", size, (90, 90, 90)))
    assert len(plain.points) == 0
    assert match(plain, plain) is None
    assert match(plain, described(textured(1))) is None
    assert match(described(textured(1)), plain) is None


def test_a_repeated_pattern_is_no_match_of_a_fold() -> None:
    """All features at one spot explain any arrangement, and count once."""
    picture = described(textured(4))
    point = LocalFeatures(
        width=picture.width, height=picture.height, points=np.full_like(picture.points, 0.5), descriptors=picture.descriptors
    )
    assert match(picture, point) is None
    assert match(point, picture) is None


def test_features_travel_in_at_most_34_kb() -> None:
    """Positions within a thousandth, descriptors as they were."""
    made = describe(textured(5, (1280, 960)))
    body = pack(made)
    back = unpack(body)
    assert 200 < len(made.points) <= MOST
    assert len(body) <= MAX_BYTES < 34_000
    assert np.abs(back.points - made.points).max() < 1e-4
    assert np.array_equal(back.descriptors, made.descriptors)
    assert (back.width, back.height) == (made.width, made.height)


BODY = pack(describe(textured(6)))


@pytest.mark.parametrize(
    "body",
    [b"", BODY[:5], BODY[:-1], BODY + b"\0", b"RSF0" + BODY[4:], struct.pack("<4sHHH", MAGIC, 65535, 256, 192) + bytes(10_000),
     struct.pack("<4sHHH", MAGIC, 0, 0, 0), b"\x80\x04K\x01."],
    ids=["empty", "half a header", "truncated", "too long", "another version", "a huge count", "no pixels", "a pickle"],
)  # fmt: skip
def test_other_bytes_are_refused_by_what_was_expected(body: bytes) -> None:
    """A file that is broken is named, not read."""
    with pytest.raises(BrokenFeatures, match=r"expected .* found"):
        unpack(body)


def test_a_region_keeps_the_features_that_lie_in_it() -> None:
    """A person who draws a box around one object does not ask for its neighbour."""
    whole = describe(textured(7))
    part = inside(whole, Region(left=0.5, top=0, width=0.5, height=0.5))
    assert 0 < len(part.points) < len(whole.points)
    assert part.points[:, 0].min() >= 0.5
    assert part.points[:, 1].max() <= 0.5
    assert inside(whole, None) is whole


def test_sure_matches_come_first_and_the_others_keep_their_order() -> None:
    """Those with more inliers before those with fewer; one that is not sure moves nothing."""
    hits = [hit(name, score) for name, score in (("a", 0.9), ("b", 0.8), ("c", 0.7), ("d", 0.6))]
    matches = {
        ("local", "b"): found(order.SURE - 1), ("local", "c"): found(order.SURE), ("local", "d"): found(order.SURE + 5),
    }  # fmt: skip
    assert [one.row.object_id for one in order.reordered(hits, matches)] == ["d", "c", "a", "b"]
    assert order.reordered(hits, {}) == hits


def test_only_the_first_hits_are_compared() -> None:
    """Twenty are what the time is for."""
    assert len(order.compared([hit(str(number), 0.5) for number in range(100)])) == order.TOP


def test_a_class_that_is_not_helped_keeps_its_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of such classes is one place."""
    monkeypatch.setattr(order, "UNHELPED", frozenset({10}))
    assert [one.row.object_id for one in order.compared([hit("beetle", 0.9, 10), hit("vase", 0.8)])] == ["vase"]


def test_the_name_of_the_file_says_its_version() -> None:
    """Another rule is another file."""
    assert features.key_of("ab") == "ab/rootsift256-v1.bin"
    assert features.key_of("ab", "-0.5") == "ab/rootsift256-v1-0.5.bin"
