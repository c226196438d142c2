"""What scores mean in one collection: fitted by ``museum calibrate``, stored, and applied to each hit. Pure.

A part that had too little to stand on is absent, and ``missing`` says why: then nothing is claimed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from functions.catalogue.figures import Figure
from functions.catalogue.threshold import FALSE_ACCEPTS, Tail, stretched

VERSION: Literal[2] = 2
"""Of the stored form. Another is treated as not calibrated."""
MAX_GROWTH = 2.0
"""A collection that has grown by this factor has other neighbours than those that were looked at: its calibration is stale."""
PRECISION = 0.95
"""Of the warning that an object is there already."""
PRESENT = 0.5
"""Share of searches whose object is in the collection. Assumed, since nothing says it: who searches what is not catalogued at
all gets too high a probability of "same object", and the other way round."""
CLAIMED = 0.5
"""A relation is named from this probability on: then it is more likely true than not."""

Kind = Literal["same_object", "same_edition", "same_kind", "looks_alike"]
CLAIMS: tuple[Kind, ...] = ("same_object", "same_edition", "same_kind")
"""From the closest: each implies those after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What kind of likeness a hit has, and how likely that is true."""

    kind: Kind
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How likely a hit of some score is at least so closely related: a logistic law of -ln(1 - cosine)."""

    kind: Kind
    basis: str
    """What made two objects so related here, in words."""
    intercept: float
    slope: float
    compared: int
    """Rows of the collection that it was fitted in."""
    pairs: int
    """Related pairs (photo, object) that it stands on."""
    objects: int
    """Objects that their photos are of."""
    precision: Figure | None
    """Of what was claimed on one half of the objects by the law of the other; ``None`` where nothing was."""

    def probability(self, score: float, size: int) -> float:
        """In a collection of ``size`` rows, 0–1.

        Of one object there are the same photos however large the collection is, but the others that reach a score are in
        proportion to its size. Editions and kinds grow as the rest does.
        """
        odds = self.intercept + self.slope * stretched(score)
        if self.kind == "same_object":
            odds -= math.log(max(1, size) / self.compared)
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, odds))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Best scores of photos to the other photos of their own object."""

    scores: tuple[float, ...]
    """Ascending; at most 200 quantiles."""
    photos: int
    objects: int

    def reached(self, score: float) -> float:
        """Share of photos whose object is found with at least this score."""
        return 1 - bisect_left(self.scores, score) / len(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """How the neighbours' classes are weighed, and when to believe them."""

    temperature: float
    sure_from: float | None
    """Confidence from which on at least 90 % were right; ``None``: at none."""
    photos: int
    objects: int
    """On which temperature and ``sure_from`` stand; the figures stand on as many others."""
    ece: Figure
    """Expected calibration error on the other half of the objects."""
    accuracy: Figure
    """Share that was right there."""
    precision: Figure | None
    """Share right of those that were sure there."""
    answered: Figure
    """Share that was sure there."""

    def sure(self, confidence: float) -> bool:
        """Whether a vote is clear enough to be believed."""
        return self.sure_from is not None and confidence >= self.sure_from


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """How good one field of a draft was, with each object's own record left out."""

    name: str
    measure: Literal["exact", "f1"]
    """Voted values are right or wrong; whole texts share words (F1 of their tokens)."""
    quality: Figure
    """Mean of the measure over first values, where the object's record has the field."""
    wrong: Figure
    """Share of first values that differ from the record's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Everything that is known of one collection's scores. JSON: its fields."""

    version: Literal[2]
    fingerprint: str
    """Of the model whose scores these are."""
    size: int
    """Rows of the collection then."""
    photos: int
    objects: int
    """That were looked at: a sample of a large collection."""
    made_at: float
    """Seconds since the epoch."""
    strangers: Tail | None = None
    """Photos against objects of other classes."""
    others: Tail | None = None
    """Photos against all other objects."""
    twins: Twins | None = None
    accepted: Figure | None = None
    """Share of photos whose own object was similar by its other photos, at ``size``."""
    likenesses: tuple[Likeness, ...] = ()
    votes: Votes | None = None
    draft: tuple[Drafted, ...] = ()
    twice: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = ()
    """Objects (museum, object_id) of two classes with one photo, the first of them: no ``strangers``."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Part → why it is absent, and what to do."""

    def stale(self, size: int) -> bool:
        """Whether the collection has doubled since."""
        return size >= self.size * MAX_GROWTH

    def duplicate_from(self, size: int) -> float | None:
        """The lowest score from which a photo's best hit is its own object with a precision of 95 %; ``None``: not known.

        Of photos that reach it, half of which are of objects in the collection (``PRESENT``).
        """
        if self.others is None or self.twins is None:
            return None
        good = (score for score in self.twins.scores if self.precision_from(score, size) >= PRECISION)
        return next(good, None)

    def precision_from(self, score: float, size: int) -> float:
        """Share of photos of objects in the collection among those that reach a score."""
        assert self.others is not None
        assert self.twins is not None
        there = PRESENT * self.twins.reached(score)
        strange = (1 - PRESENT) * self.others.reached(score, size)
        return there / (there + strange) if there else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether anything is similar. ``similar`` is ``None`` where no calibration fits: then nothing is claimed."""

    similar: bool | None
    threshold: float | None
    collection_size: int
    false_accepts: float = FALSE_ACCEPTS
    accepted: Figure | None = None
    """Share of photos of catalogued objects that are called similar; ``None`` where objects have one photo each."""


def verdict(best_score: float | None, calibration: Calibration | None, size: int) -> Verdict:
    """Judge the best score of a query in a collection of ``size`` rows; an empty one has nothing similar."""
    if best_score is None:
        return Verdict(similar=False, threshold=None, collection_size=size)
    if calibration is None or calibration.strangers is None:
        return Verdict(similar=None, threshold=None, collection_size=size)
    threshold = calibration.strangers.threshold(size)
    return Verdict(
        similar=best_score >= threshold,
        threshold=round(threshold, 4),
        collection_size=size,
        accepted=calibration.accepted,
    )


def relation(score: float, calibration: Calibration | None, size: int) -> Relation | None:
    """The closest relation that is more likely than not; ``None`` where nothing can be said.

    "Looks alike" is what is left where "same kind", the widest, can be judged and is less likely than not.
    """
    likenesses: Sequence[Likeness] = calibration.likenesses if calibration else ()
    chances = {one.kind: one.probability(score, size) for one in likenesses}
    for kind in CLAIMS:
        if chances.get(kind, 0.0) >= CLAIMED:
            return Relation(kind=kind, probability=round(chances[kind], 4))
    if "same_kind" not in chances:
        return None
    return Relation(kind="looks_alike", probability=round(1 - chances["same_kind"], 4))
