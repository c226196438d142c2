"""Figures of a retrieval, from scores alone. Pure.

A figure depends on the gallery's size: none is reported without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from functions.catalogue.figures import Figure

RANKS = (1, 5, 10)
RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What a set of queries found in a gallery of objects."""

    scores: NDArray[np.float32]
    """Shape (queries, objects): each object's best pair of views."""
    expected: NDArray[np.int64]
    """Shape (queries,): place of the query's object in the gallery, -1 where it is not there."""

    @property
    def ranks(self) -> NDArray[np.int64]:
        """Rank of the expected object, from 1; 0 where it is not in the gallery. Equal scores count against it."""
        there = self.expected >= 0
        own = self.scores[np.arange(len(self.expected)), np.where(there, self.expected, 0)]
        return np.asarray(np.where(there, (self.scores >= own[:, None]).sum(axis=1), 0))

    @property
    def best(self) -> NDArray[np.float32]:
        """Each query's best score."""
        return np.asarray(self.scores.max(axis=1))

    def only(self, queries: NDArray[np.int64]) -> Ranking:
        """Some of the queries."""
        return Ranking(scores=self.scores[queries], expected=self.expected[queries])


def recall(ranks: NDArray[np.int64], at: int) -> NDArray[np.float64]:
    """Per query 1 where its object is among the first ``at``: their mean is R@k."""
    return np.asarray(((ranks > 0) & (ranks <= at)).astype(float))


def precision(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Per query its average precision, which with one right object is 1 / rank: their mean is mAP."""
    return np.asarray(np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0.0))


def gap(ranking: Ranking) -> float:
    """Global (micro) average precision over all queries' first answers, ranked by score; strangers' answers are wrong.

    Weyand et al. 2020 (Google Landmarks v2, arXiv:2004.01804, section 5.1). 0 where no query has an object.
    """
    known = int((ranking.expected >= 0).sum())
    if not known:
        return 0.0
    order = np.argsort(-ranking.best, kind="stable")
    right = (ranking.ranks == 1)[order]
    at = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float((at * right).sum() / known)


def rejection(known: NDArray[np.float32], strangers: NDArray[np.float32], false_accepts: Sequence[float]) -> list[float]:
    """Share of known queries' best scores that are accepted where this share of strangers' is."""
    ranked = np.sort(strangers)[::-1]
    thresholds = [ranked[min(len(ranked) - 1, int(share * len(ranked)))] for share in false_accepts]
    return [float((known > threshold).mean()) for threshold in thresholds]


def growth(ranking: Ranking, sizes: Sequence[int], at: int = 1, rounds: int = 20, seed: int = 0) -> list[tuple[int, float]]:
    """Mean recall by gallery size: each query's own object among as many others, drawn ``rounds`` times."""
    rng, curve = np.random.default_rng(seed), []
    queries = np.flatnonzero(ranking.expected >= 0)
    own = ranking.scores[queries, ranking.expected[queries]]
    total = ranking.scores.shape[1]
    for size in sorted({min(size, total) for size in sizes}):
        found = []
        for _ in range(rounds if size < total else 1):
            drawn = rng.permutation(total)[:size] if size < total else np.arange(total)
            others = drawn[None, :] != ranking.expected[queries][:, None]
            above = ((ranking.scores[queries][:, drawn] >= own[:, None]) & others).sum(axis=1)
            found.append(float((above < at).mean()))
        curve.append((size, float(np.mean(found))))
    return curve


def macro(values: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """Mean over the classes of each one's mean, so that a hundred coins do not hide one sword."""
    return float(np.mean([values[classes == code].mean() for code in np.unique(classes)]))


def interval(values: NDArray[np.float64], groups: Sequence[str], seed: int = 0) -> Figure:
    """The mean with its 95 % bootstrap interval; whole objects are drawn, since an object's queries are alike.

    Davison and Hinkley 1997, Bootstrap Methods, section 3.8.
    """
    low, high = np.quantile(resampled(values, groups, seed), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Figure(value=float(values.mean()), low=float(low), high=float(high), count=len(values), objects=len(set(groups)))


def paired(one: NDArray[np.float64], other: NDArray[np.float64], groups: Sequence[str], seed: int = 0) -> Figure:
    """Mean difference ``other - one`` on the same queries, with its interval: real where that does not hold 0."""
    return interval(np.asarray(other - one), groups, seed)


def resampled(values: NDArray[np.float64], groups: Sequence[str], seed: int = 0) -> NDArray[np.float64]:
    """Means of ``RESAMPLES`` draws of as many groups, with replacement."""
    names, places = np.unique(np.array(groups), return_inverse=True)
    sums, counts = np.bincount(places, values), np.bincount(places)
    drawn = np.random.default_rng(seed).integers(0, len(names), (RESAMPLES, len(names)))
    return np.asarray(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))


def best_pairs(
    queries: NDArray[np.float32], of_query: NDArray[np.int64], gallery: NDArray[np.float32], of_object: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Each query's best cosine to each object over all pairs of views: shape (queries, objects).

    ``queries`` (n, dim) and ``gallery`` (m, dim) are unit vectors, each with the place of its query or object.
    """
    cosines = queries @ gallery.T
    by_object = np.full((len(queries), int(of_object.max()) + 1), -1.0, np.float32)
    for place in range(by_object.shape[1]):
        by_object[:, place] = cosines[:, of_object == place].max(axis=1)
    best = np.full((int(of_query.max()) + 1, by_object.shape[1]), -1.0, np.float32)
    np.maximum.at(best, of_query, by_object)
    return best
