"""How sure a class is, fitted by leaving each object out of the vote on it. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from functions.calibration.relations import half
from functions.calibration.sample import Sample
from functions.catalogue.calibration import Votes
from functions.catalogue.figures import Figure, figure

TEMPERATURES: NDArray[np.float64] = np.geomspace(0.003, 1.0, 60)
"""Steps of 10 %."""
FLOOR = 0.01
"""Probability that a class nobody voted for is right after all: its logarithm has to be a number."""
SURE = 0.9
"""Precision from which on a class is not "unsure"."""
MIN_OBJECTS = 50
"""In each half."""
MIN_SURE = 20
"""Votes that a limit of confidence stands on."""
BINS = 10
RESAMPLES = 1000


def fitted(sample: Sample) -> Votes:
    """Temperature and limit from one half of the objects, the figures from the other.

    The temperature has the least negative log-likelihood (Guo et al. 2017, arXiv:1706.04599, section 4.2). Raises ``ValueError``
    with the reason where there are too few objects or classes.
    """
    codes = np.array([record.class_code for record in sample.records])
    truth, voters = codes[sample.of], codes[sample.near]
    usable = (truth > 0) & (voters > 0).any(axis=1)
    if len(set(truth[usable].tolist())) < 2:
        raise ValueError("found records of one class or of none, at least two classes are needed")
    sides = np.array([half(one) for one in sample.groups])
    groups = np.array([repr(one) for one in sample.groups])
    learned, judged = (np.flatnonzero(usable & (sides == side)) for side in (True, False))
    counts = [len(set(groups[part])) for part in (learned, judged)]
    if min(counts) < MIN_OBJECTS:
        raise ValueError(
            f"found {counts[0]} and {counts[1]} objects with a class in the two halves of the collection, at least {MIN_OBJECTS} "
            "are needed in each"
        )
    temperature = min(TEMPERATURES, key=lambda one: loss(sample.scores[learned], voters[learned], truth[learned], one))
    confident, right = answers(sample.scores[learned], voters[learned], truth[learned], temperature)
    limit = sure_from(confident, right)
    confident, right = answers(sample.scores[judged], voters[judged], truth[judged], temperature)
    sure = confident >= limit if limit is not None else np.zeros(len(right), bool)
    names = groups[judged]
    return Votes(
        temperature=round(float(temperature), 5),
        sure_from=limit,
        photos=len(learned),
        objects=counts[0],
        ece=calibration_error(confident, right, names.tolist()),
        accuracy=there(figure(right.astype(float).tolist(), names.tolist())),
        precision=figure(right[sure].astype(float).tolist(), names[sure].tolist()),
        answered=there(figure(sure.astype(float).tolist(), names.tolist())),
    )


def there(found: Figure | None) -> Figure:
    """A figure of at least one value."""
    assert found is not None
    return found


def votes(scores: NDArray[np.float32], voters: NDArray[np.int64], temperature: float) -> NDArray[np.float64]:
    """Each neighbour's share of the vote as :func:`functions.catalogue.hits.classify` counts; shape (photos, neighbours)."""
    raised = np.where(voters > 0, scores.astype(np.float64) / temperature, -np.inf)
    raw = np.exp(raised - raised.max(axis=1, keepdims=True))
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


def loss(scores: NDArray[np.float32], voters: NDArray[np.int64], truth: NDArray[np.int64], temperature: float) -> float:
    """Mean negative log-likelihood of the right classes."""
    chance = (votes(scores, voters, temperature) * (voters == truth[:, None])).sum(axis=1)
    return float(-np.log(FLOOR + (1 - FLOOR) * chance).mean())


def answers(
    scores: NDArray[np.float32], voters: NDArray[np.int64], truth: NDArray[np.int64], temperature: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence of each photo's first class, and whether it is right; shape (photos,) each. Equal votes: the lower code."""
    shares = votes(scores, voters, temperature)
    classes = np.unique(voters[voters > 0])
    by_class = np.stack([(shares * (voters == code)).sum(axis=1) for code in classes], axis=1)
    first = np.round(by_class, 9).argmax(axis=1)
    return by_class.max(axis=1), classes[first] == truth


def sure_from(confident: NDArray[np.float64], right: NDArray[np.bool_]) -> float | None:
    """The lowest confidence from which on 90 % are right, by at least 20 votes; ``None`` where there is none."""
    order = np.argsort(-confident, kind="stable")
    precise = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last = np.append(np.diff(confident[order]) < 0, True)  # equal confidences are judged together
    good = np.flatnonzero((precise >= SURE) & last & (np.arange(1, len(order) + 1) >= MIN_SURE))
    return round(float(np.floor(confident[order][good[-1]] * 1e4) / 1e4), 4) if len(good) else None


def calibration_error(confident: NDArray[np.float64], right: NDArray[np.bool_], objects: Sequence[Hashable]) -> Figure:
    """Expected calibration error in ten bins of as many photos each (Nixon et al. 2019, arXiv:1904.01685), with its bootstrap
    interval; whole objects are drawn. Of a perfectly calibrated vote it is not 0, since bins are finite."""
    names, places = np.unique(np.array(objects), return_inverse=True)
    members = [np.flatnonzero(places == place) for place in range(len(names))]
    draw = np.random.default_rng(0)
    errors = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([members[place] for place in draw.integers(0, len(names), len(names))])
        errors.append(binned_error(confident[chosen], right[chosen]))
    low, high = np.quantile(errors, [0.025, 0.975])
    return Figure(
        value=round(binned_error(confident, right), 4), low=round(float(low), 4), high=round(float(high), 4),
        count=len(right), objects=len(names),
    )  # fmt: skip


def binned_error(confident: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean over bins of |accuracy - confidence|."""
    bins = np.array_split(np.argsort(confident, kind="stable"), min(BINS, len(right)))
    return float(sum(abs(right[part].mean() - confident[part].mean()) * len(part) for part in bins) / len(right))
