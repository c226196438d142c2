"""How high strangers score."""

from __future__ import annotations

import math

import numpy as np
import pytest

from functions.catalogue.threshold import fit


def best_of(size: int, strangers: int, seed: int) -> list[float]:
    """Best cosines of strangers to a collection, where a pair's -ln(1 - cosine) is exponential with scale 0.12 from 0.5 on."""
    chance = np.random.default_rng(seed).random(strangers)
    highest = -np.log1p(-(chance ** (1 / size)))  # the largest of ``size`` exponentials, drawn at once
    return (1 - np.exp(-(0.5 + 0.12 * highest))).tolist()


def test_two_percent_of_other_strangers_pass() -> None:
    """On strangers that the fit has not seen."""
    threshold = fit(best_of(500, 400, 1), compared=500).threshold(500)
    assert np.mean(np.array(best_of(500, 2000, 2)) >= threshold) == pytest.approx(0.02, abs=0.01)


@pytest.mark.parametrize("size", [300, 1000, 1900, 100_000])
def test_a_threshold_fitted_among_a_thousand_holds_at_another_size(size: int) -> None:
    """From a sample of 1,000 to 100,000 impostors: 2 % of strangers pass there too, on average over 40 samples of 2,000."""
    passed = []
    for seed in range(40):
        threshold = fit(best_of(1000, 2000, seed), compared=1000).threshold(size)
        passed.append(np.mean(np.array(best_of(size, 5000, 1000 + seed)) >= threshold))
    assert np.mean(passed) == pytest.approx(0.02, abs=0.004)
    assert max(passed) < 0.05, "one sample's own error: a tail of 600 scores tells its scale to 4 %"


def test_a_larger_collection_has_a_higher_threshold() -> None:
    """The best of more is better."""
    made = fit(best_of(100, 100, 4), compared=100)
    found = [made.threshold(size) for size in (0, 1, 10, 50, 100, 150, 199, 10_000)]
    assert found == sorted(found)
    assert found[-1] > found[3]


def test_fewer_false_accepts_have_a_higher_threshold() -> None:
    """And it stays below 1."""
    made = fit(best_of(100, 100, 5), compared=100)
    assert made.threshold(100) < made.threshold(100, 0.001) < 1


def test_the_share_of_strangers_at_a_threshold_is_the_one_it_was_made_for() -> None:
    """One is the other's inverse; where nothing was fitted, below the tail, all are said to reach it."""
    made = fit(best_of(100, 300, 6), compared=100)
    for size, share in ((100, 0.02), (1000, 0.02), (100, 0.2)):
        assert made.reached(made.threshold(size, share), size) == pytest.approx(share)
    assert made.reached(0.1, 100) == 1


@pytest.mark.parametrize(
    ("scores", "size", "words"),
    [
        ([0.5] * 10, 10, "at least 50 strangers"),
        ([0.9] * 60, 10, "same score"),
        ([math.nan, *best_of(10, 60, 9)], 10, "numbers"),
        (best_of(10, 60, 9), 0, "0 rows"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_the_reason(scores: list[float], size: int, words: str) -> None:
    """Rather than a threshold that means nothing."""
    with pytest.raises(ValueError, match=words):
        fit(scores, compared=size)


def test_copies_among_the_strangers_do_not_break_the_fit() -> None:
    """A cosine of 1 has no finite stretch."""
    assert fit([1.0, *best_of(100, 99, 10)], compared=100).threshold(100) < 1
