"""Below which score nothing is called similar."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from functions.catalogue.threshold import Calibration, fit, verdict


def best_of(size: int, strangers: int, seed: int) -> list[float]:
    """Best cosines of strangers to a collection, where a pair's -ln(1 - cosine) is exponential with scale 0.12 from 0.5 on."""
    chance = np.random.default_rng(seed)
    return [1 - math.exp(-(0.5 + 0.12 * float(chance.exponential(size=size).max()))) for _ in range(strangers)]


def test_two_percent_of_other_strangers_pass() -> None:
    """On strangers that the fit has not seen."""
    threshold = fit(best_of(500, 400, 1), fingerprint="f", size=500).threshold(500)
    assert threshold is not None
    assert np.mean(np.array(best_of(500, 2000, 2)) >= threshold) == pytest.approx(0.02, abs=0.01)


def test_a_threshold_fitted_at_one_size_holds_at_another() -> None:
    """Asked for a collection 1.9 times as large or a third, it lets 2 % pass there too; asked for none it would not."""
    made = fit(best_of(600, 600, 3), fingerprint="f", size=600)
    for size in (200, 1140):
        threshold = made.threshold(size)
        assert threshold is not None
        assert np.mean(np.array(best_of(size, 2000, size)) >= threshold) == pytest.approx(0.02, abs=0.012)


def test_a_larger_collection_has_a_higher_threshold() -> None:
    """The best of more is better."""
    made = fit(best_of(100, 100, 4), fingerprint="f", size=100)
    found = [made.threshold(size) for size in (1, 10, 50, 100, 150, 199)]
    assert None not in found
    assert found == sorted(found)  # type: ignore[type-var]
    assert found[-1] > found[2]  # type: ignore[operator]


def test_fewer_false_accepts_have_a_higher_threshold() -> None:
    """And it stays below 1."""
    made = fit(best_of(100, 100, 5), fingerprint="f", size=100)
    strict, usual = made.threshold(100, 0.001), made.threshold(100)
    assert strict is not None
    assert usual is not None
    assert usual < strict < 1


def test_a_collection_that_has_doubled_is_not_calibrated() -> None:
    """Nothing is claimed for it."""
    made = fit(best_of(100, 100, 6), fingerprint="f", size=100)
    assert made.threshold(199) is not None
    assert made.threshold(200) is None
    assert verdict(0.99, made, 200).similar is None
    assert verdict(0.99, None, 100).similar is None


def test_a_score_from_the_threshold_on_is_similar() -> None:
    """And one below is not."""
    made = fit(best_of(100, 100, 7), fingerprint="f", size=100)
    threshold = made.threshold(100)
    assert threshold is not None
    assert verdict(threshold, made, 100).similar is True
    assert verdict(threshold - 1e-6, made, 100).similar is False
    assert verdict(0.1, made, 100).threshold == pytest.approx(threshold, abs=1e-4)


def test_an_empty_collection_has_nothing_similar() -> None:
    """That needs no calibration."""
    assert verdict(None, None, 0).similar is False


def test_a_calibration_survives_json() -> None:
    """With its fingerprint, its size and how many scores it stands on."""
    made = fit(best_of(100, 100, 8), fingerprint="f", size=100)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Calibration) == made
    assert (made.fingerprint, made.size, made.strangers) == ("f", 100, 100)


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
        fit(scores, fingerprint="f", size=size)


def test_copies_among_the_strangers_do_not_break_the_fit() -> None:
    """A cosine of 1 has no finite stretch."""
    threshold = fit([1.0, *best_of(100, 99, 10)], fingerprint="f", size=100).threshold(100)
    assert threshold is not None
    assert threshold < 1
