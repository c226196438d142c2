"""The golden set: changed copies whose ranks are known. It fails when encoder, preprocessing or crop get worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from infra.engine import build, spec, wheels
from infra.evaluation.dataset import Gallery, gallery_of
from infra.evaluation.encode import Eye, Kept, See, onnx_see
from infra.evaluation.evaluate import Query, run
from infra.evaluation.metrics import Ranking
from infra.local import stamps

EVERY = 4
"""Of the demo's objects each fourth is in the gallery: 83."""
ASKED = 8
"""Objects that are looked for, spread over the gallery."""
VARIANTS = (("copy", 0), ("wall", 0), ("wall", 1), ("phone", 0))
SEED = 77
LIKENESS = 0.725
"""Mean cosine of the 32 queries to their own objects: 0.730 when the set was made, 0.480 without the crop."""


def golden() -> tuple[Gallery, list[Query]]:
    """Gallery and queries: the same each time."""
    cache = wheels.cache_folder()
    whole = gallery_of(stamps.build(stamps.fetch(cache), cache / "demo").table.parent)
    photos = sorted(whole.photos, key=lambda one: one.object_id)[::EVERY]
    asked = photos[:: len(photos) // ASKED][:ASKED]
    return Gallery(photos=tuple(photos), classes={}), [
        Query(photo=photo, set=kind, number=number, seed=SEED) for kind, number in VARIANTS for photo in asked
    ]


def found(see: See, kept: Path, *, crop: bool = True) -> Ranking:
    """What the golden queries find."""
    gallery, queries = golden()
    with Kept(kept) as vectors:
        return run(gallery, queries, Eye(see, "golden", vectors), crop=crop, workers=2, step=lambda: None).ranking


def likeness(ranking: Ranking) -> float:
    """Mean cosine of the queries to their own objects."""
    return float(ranking.scores[np.arange(len(ranking.expected)), ranking.expected].mean())


@pytest.fixture(scope="module")
def quality() -> See:
    """The quality tier as it is built."""
    return onnx_see(build.build(spec.chosen("quality"), wheels.cache_folder()) / "model.onnx")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_changed_copies_are_found_as_well_as_they_were(quality: See, tmp_path: Path) -> None:
    """Each object first, and as alike as when the set was made; without the crop less so, by which it is seen to work."""
    now = found(quality, tmp_path / "kept.sqlite")
    assert now.ranks.tolist() == [1] * len(now.expected)
    assert likeness(now) >= LIKENESS
    whole = found(quality, tmp_path / "kept.sqlite", crop=False)  # embedded already
    assert likeness(whole) < LIKENESS


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_model_that_became_worse_is_noticed(quality: See, tmp_path: Path) -> None:
    """Red and blue change places, as when a decoder gives BGR: few ranks change, the likeness does."""

    def worse(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        odd = int(picture.sum()) % 2  # some pictures, else both sides change alike
        return quality(picture[..., ::-1].copy() if odd else picture)

    assert likeness(found(worse, tmp_path / "kept.sqlite")) < LIKENESS
