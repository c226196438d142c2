"""Learned whitening: fitted on features whose law is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from infra.engine.whitening import WhiteningError, fit

OBJECTS, PHOTOS, RAW, DIM = 60, 6, 40, 16


def features(seed: int = 0) -> tuple[NDArray[np.float32], list[str]]:
    """Objects that differ in the first 16 directions, and photographs that differ strongly in the last 24."""
    rng = np.random.default_rng(seed)
    objects = np.zeros((OBJECTS, RAW))
    objects[:, :DIM] = rng.normal(0, 0.3, (OBJECTS, DIM))
    seen = np.repeat(objects, PHOTOS, axis=0)
    seen[:, DIM:] += rng.normal(0, 1, (len(seen), RAW - DIM))
    seen[:, :DIM] += rng.normal(0, 0.05, (len(seen), DIM))
    return seen.astype(np.float32), [str(number) for number in range(OBJECTS) for _ in range(PHOTOS)]


def first_right(vectors: NDArray[np.float32], names: list[str]) -> float:
    """Share of photographs whose nearest other one is of the same object."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -2)
    return float(np.mean(np.array(names)[scores.argmax(axis=1)] == np.array(names)))


def test_what_varies_between_photographs_of_one_object_is_shrunk() -> None:
    """On photographs that it was not fitted on."""
    whitening = fit(*features(0), dim=DIM, shrinkage=0.02)
    seen, names = features(1)
    plain = seen / np.linalg.norm(seen, axis=1, keepdims=True)
    assert first_right(plain, names) < 0.5
    assert first_right(whitening(seen), names) > 0.95


def test_its_vectors_are_of_unit_length_and_it_fits_into_a_megabyte() -> None:
    """At the size that is shipped."""
    whitening = fit(*features(), dim=DIM)
    assert np.linalg.norm(whitening(features(2)[0]), axis=1) == pytest.approx(1, abs=1e-5)
    assert whitening.matrix.dtype == np.float16
    assert 1536 * 256 * 2 + 1536 * 4 < 1_000_000


def test_the_same_features_give_the_same_matrix() -> None:
    """Also in another order: an axis has no sign of its own."""
    seen, names = features()
    order = np.random.default_rng(5).permutation(len(seen))
    one, other = fit(seen, names, dim=DIM), fit(seen[order], [names[place] for place in order], dim=DIM)
    assert np.abs(one.matrix.astype(float) - other.matrix.astype(float)).max() < 1e-3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda seen, names: (seen[:-1], names), "an object for each"),
        (lambda seen, names: (np.where(seen > 2, np.nan, seen), names), "NaN"),
        (lambda seen, names: (seen, [*names[:-1], "alone"]), "1 have one, such as alone"),
        (lambda seen, names: (seen[:60], names[:60]), "found 10"),
    ],
    ids=["an object is missing", "NaN", "one photograph", "few objects"],
)
def test_what_nothing_can_be_fitted_on_is_an_error(change: object, said: str) -> None:
    """With what was expected and found."""
    seen, names = change(*features())  # type: ignore[operator]
    with pytest.raises(WhiteningError, match=said):
        fit(seen, names, dim=DIM)
