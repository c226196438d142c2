"""When two records are of related objects, and how likely a score says so. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from hashlib import sha1

import numpy as np
from numpy.typing import NDArray

from functions.calibration.sample import Sample
from functions.catalogue.calibration import CLAIMED, PRESENT, Kind, Likeness
from functions.catalogue.classes import plain
from functions.catalogue.figures import Figure, figure
from functions.catalogue.hits import ObjectId
from functions.catalogue.record import Record

MIN_PAIRS = 30
MIN_OBJECTS = 20
"""Fewer related pairs, or of fewer objects, are no ground for a probability."""
IN_SERIES = frozenset({2, 5, 8, 11, 12, 13, 14, 15, 16, 17})
"""Classes whose objects are made in editions and series: prints, coins, arms, technology, china, books, photographs. Two
paintings, statues, finds or minerals that are catalogued alike are two things."""
HEAD_ENDS = re.compile(r"""[,.:;("«“]""")

Key = Callable[[Record], Hashable | None]
"""What two related records have in common; ``None``: it cannot be known of this one."""


def word_of(record: Record) -> Hashable | None:
    """Class with MainWord, or the head of Name: what stands before the first comma, point, bracket or quotation mark."""
    word = plain(record.fields.get("MainWord", "") or HEAD_ENDS.split(record.fields.get("Name", ""), maxsplit=1)[0])
    return (record.class_code, word) if word and record.class_code else None


def class_of(record: Record) -> Hashable | None:
    """The class."""
    return record.class_code or None


def edition_of(record: Record) -> Hashable | None:
    """What copies of one print or coin share: class, Name, and maker, time and material, of which two must be filled."""
    maker = record.fields.get("Authors") or record.fields.get("ProductionOrg", "")
    time = record.fields.get("CreationTime") or record.fields.get("CreationTimeStart", "")
    told = tuple(plain(text) for text in (maker, time, record.fields.get("MaterialandTechnique", "")))
    name = plain(record.fields.get("Name", ""))
    return (record.class_code, name, told) if record.class_code in IN_SERIES and name and sum(map(bool, told)) >= 2 else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Hits that photos would have: each with whether it is related, and how much it counts."""

    stretched: NDArray[np.float64]
    """Shape (pairs,): -ln(1 - cosine)."""
    related: NDArray[np.bool_]
    own: NDArray[np.bool_]
    """Whether it is the photo's own object, by another photo."""
    weights: NDArray[np.float64]
    objects: tuple[ObjectId, ...]
    """Whose photo it is."""

    def only(self, chosen: NDArray[np.bool_]) -> Pairs:
        """Some of them."""
        objects = tuple(one for one, there in zip(self.objects, chosen, strict=True) if there)
        return Pairs(
            stretched=self.stretched[chosen],
            related=self.related[chosen],
            own=self.own[chosen],
            weights=self.weights[chosen],
            objects=objects,
        )


def must_be_enough(objects: Sequence[Hashable], what: str) -> None:
    """Raises ``ValueError`` with the numbers where pairs, given by their objects, are too few to stand on."""
    if not enough(objects):
        raise ValueError(
            f"found {len(objects)} {what} of {len(set(objects))} objects, at least {MIN_PAIRS} are needed, of at least "
            f"{MIN_OBJECTS} objects"
        )


def enough(objects: Sequence[Hashable]) -> bool:
    """Whether pairs, given by their objects, are enough to stand on."""
    return len(objects) >= MIN_PAIRS and len(set(objects)) >= MIN_OBJECTS


def half(identity: ObjectId) -> bool:
    """Which half of the objects one belongs to, fixed by a hash."""
    return bool(sha1(repr(identity).encode(), usedforsecurity=False).digest()[0] % 2)


def pairs_of(sample: Sample, key: Key | None) -> Pairs:
    """What each photo finds: its ten nearest other objects, related by ``key`` or not, and its own object, always related.

    Own objects count as if ``PRESENT`` of the searches had theirs in the collection, and not at all where there are so few that
    each would have the weight of many. ``None``: only one's own is related.
    """
    keys = [key(record) for record in sample.records] if key else []
    places = np.repeat(np.arange(len(sample.photos)), sample.near.shape[1])
    others = sample.near.ravel()
    known = np.ones(len(others), bool)
    related = np.zeros(len(others), bool)
    if key:
        mine = [keys[place] for place in sample.of[places]]
        theirs = [keys[place] for place in others]
        related = np.array([one is not None and one == other for one, other in zip(mine, theirs, strict=True)], bool)
        if key is not edition_of:  # records too poor to tell an edition are of none; without a word nothing is known
            known = np.array([one is not None and other is not None for one, other in zip(mine, theirs, strict=True)], bool)
    twins = sample.twins if enough(sample.of[sample.twins].tolist()) else sample.twins[:0]
    weight = PRESENT * len(sample.photos) / max(1, len(twins))
    groups = sample.groups
    scores = np.concatenate([sample.scores.ravel()[known], sample.own[twins]]).astype(np.float64)
    return Pairs(
        stretched=-np.log(np.maximum(1 - scores, 1e-9)),
        related=np.concatenate([related[known], np.ones(len(twins), bool)]),
        own=np.repeat([False, True], [int(known.sum()), len(twins)]),
        weights=np.concatenate([np.ones(int(known.sum())), np.full(len(twins), weight)]),
        objects=tuple(groups[place] for place in [*places[known], *twins]),
    )


def logistic(pairs: Pairs) -> tuple[float, float]:
    """Intercept and slope of P(related), by Newton's method on targets drawn in as Platt 1999 does, so that pairs that can be
    told apart without an error do not make an endless slope. Raises ``ValueError`` where a higher score does not say more.
    """
    yes, no = int(pairs.related.sum()), int((~pairs.related).sum())
    if not yes or not no:
        raise ValueError(f"expected related and other hits, found {yes} and {no}")
    spread = float(pairs.stretched.std())
    if spread < 1e-6:
        raise ValueError("all hits have the same score: are the photos copies of one?")
    middle = float(pairs.stretched.mean())
    design = np.stack([np.ones(len(pairs.stretched)), (pairs.stretched - middle) / spread], axis=1)
    target = np.where(pairs.related, (yes + 1) / (yes + 2), 1 / (no + 2))
    found = np.zeros(2)
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        slope = design.T @ (pairs.weights * (target - chance)) - 1e-3 * found
        curve = (design * (pairs.weights * chance * (1 - chance))[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        found += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    if found[1] <= 0:
        raise ValueError("a higher score does not make it more likely here")
    return round(float(found[0] - found[1] * middle / spread), 6), round(float(found[1] / spread), 6)


def held_out(pairs: Pairs) -> Figure | None:
    """Precision of what is claimed on each half of the objects by the law of the other."""
    sides = np.array([half(one) for one in pairs.objects])
    right: list[float] = []
    weights: list[float] = []
    objects: list[ObjectId] = []
    for side in (True, False):
        intercept, slope = logistic(pairs.only(sides != side))
        here = pairs.only(sides == side)
        claims = here.only(1 / (1 + np.exp(-np.clip(intercept + slope * here.stretched, -60, 60))) >= CLAIMED)
        right += claims.related.astype(float).tolist()
        weights += claims.weights.tolist()
        objects += claims.objects
    return figure(right, objects, weights)


def fitted(sample: Sample, kind: Kind, basis: str, key: Key | None) -> Likeness:
    """The law of one relation. Raises ``ValueError`` with the reason where it has too little to stand on."""
    pairs = pairs_of(sample, key)
    found = [one for one, counts in zip(pairs.objects, pairs.related & (pairs.own == (key is None)), strict=True) if counts]
    must_be_enough(found if key else [sample.groups[place] for place in sample.twins], f"related pairs ({basis})")
    intercept, slope = logistic(pairs)
    precision = held_out(pairs)
    if precision is not None and precision.value < CLAIMED:
        raise ValueError(f"of what would be claimed only {precision} is true")
    return Likeness(
        kind=kind, basis=basis, intercept=intercept, slope=slope, compared=sample.rows, pairs=len(found),
        objects=len(set(found)), precision=precision,
    )  # fmt: skip


def same_object(sample: Sample) -> Likeness:
    """By several photos of one object."""
    return fitted(sample, "same_object", "several photos of one object", None)


def same_edition(sample: Sample) -> Likeness:
    """By what records of one edition or series share."""
    return fitted(sample, "same_edition", "same class, name, and maker, time and material (two of them filled)", edition_of)


def same_kind(sample: Sample) -> Likeness:
    """By the object's word, or where records lack it by the class alone."""
    try:
        return fitted(sample, "same_kind", "same class and MainWord or head of Name", word_of)
    except ValueError as by_word:
        try:
            return fitted(sample, "same_kind", "same class", class_of)
        except ValueError as by_class:
            raise ValueError(f"{by_word}; by the class alone {by_class}") from None
