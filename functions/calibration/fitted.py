"""The calibration of a collection, from its photos. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from functions.calibration import drafts, relations, votes
from functions.calibration.sample import Photo, Sample, sampled
from functions.catalogue.calibration import PRECISION, VERSION, Calibration, Likeness, Twins
from functions.catalogue.figures import Figure, figure
from functions.catalogue.record import Record
from functions.catalogue.threshold import MIN_STRANGERS, Tail, fit

QUANTILES = 200
"""Scores of own objects that are kept: each stands for half a per cent of the photos."""
TWICE = 20
"""Pairs of objects with one photo that are named."""
SEVERAL = "import further photos of objects that have one (several rows with one object_id)"

Category = Callable[[Record], str]
"""What kind of thing an object is, empty where unknown: only things of another kind are strangers."""
Part = TypeVar("Part")


def class_named(record: Record) -> str:
    """The class, as a category."""
    return str(record.class_code or "")


def fitted(
    photos: Sequence[Photo], *, fingerprint: str, size: int, made_at: float, category: Category = class_named
) -> Calibration:
    """Fit every part that the photos are enough for; ``missing`` says why the others are not there.

    ``size``: rows of the whole collection, of which the photos may be a sample. Raises ``ValueError`` without photos.
    """
    sample = sampled(photos, category)
    missing: dict[str, str] = {}

    def tried(name: str, make: Callable[[], Part], cure: str) -> Part | None:
        try:
            return make()
        except ValueError as error:
            missing[name] = f"{error}; {cure}"
            return None

    made = Calibration(
        version=VERSION,
        fingerprint=fingerprint,
        size=max(size, sample.rows),
        photos=len(sample.photos),
        objects=len(sample.records),
        made_at=made_at,
        strangers=tried(
            "similar",
            lambda: tail_of(sample.stranger, sample.strange_rows, "objects of another class"),
            "import objects of several classes",
        ),
        others=tried("others", lambda: tail_of(tops(sample), sample.rows, "other objects"), "import more objects"),
        twins=tried("twins", lambda: twins_of(sample), SEVERAL),
        votes=tried("class", lambda: votes.fitted(sample), "import records with their class"),
        twice=tuple(sample.twice[:TWICE]),
        missing=missing,
    )
    laws: list[tuple[str, Callable[[Sample], Likeness], str]] = [
        ("same_object", relations.same_object, SEVERAL),
        ("same_edition", relations.same_edition, "fill maker, time and material in the records of editions and series"),
        ("same_kind", relations.same_kind, "fill MainWord and class in the records"),
    ]
    found = [tried(name, partial(make, sample), cure) for name, make, cure in laws]
    made = replace(made, likenesses=tuple(one for one in found if one is not None), accepted=accepted(sample, made))
    if made.others and made.twins and made.duplicate_from(made.size) is None:
        missing["duplicate"] = (
            f"at no score {PRECISION:.0%} are the same object: other objects score as high as further photos of one"
        )
    return replace(made, draft=tried("draft", lambda: drafts.measured(sample, made), "import records with descriptions") or ())


def tops(sample: Sample) -> NDArray[np.float32]:
    """Each photo's best score to other objects."""
    return sample.scores[:, 0] if sample.scores.shape[1] else np.zeros(0, np.float32)


def tail_of(best: NDArray[np.float32], rows: int, others: str) -> Tail:
    """The tail of best scores to ``others``, shape (photos,), NaN where there is none. Raises ``ValueError`` with the reason."""
    scores = best[np.isfinite(best)].astype(float).tolist()
    if len(scores) < MIN_STRANGERS:
        raise ValueError(f"found {len(scores)} photos that can be compared with {others}, at least {MIN_STRANGERS} are needed")
    return fit(scores, compared=rows)


def twins_of(sample: Sample) -> Twins:
    """How alike photos of one object are. Raises ``ValueError`` where there are few."""
    places = sample.twins
    relations.must_be_enough(sample.of[places].tolist(), "photos that have another photo of their object,")
    scores = np.sort(sample.own[places].astype(np.float64))
    kept = scores if len(scores) <= QUANTILES else np.quantile(scores, np.linspace(0, 1, QUANTILES))
    return Twins(
        scores=tuple(round(float(score), 6) for score in kept), photos=len(places), objects=len(set(sample.of[places].tolist()))
    )


def accepted(sample: Sample, made: Calibration) -> Figure | None:
    """Share of photos with another photo of their object that are called similar by it."""
    if made.strangers is None or made.twins is None:
        return None
    limit = made.strangers.threshold(made.size)
    places = sample.twins
    return figure((sample.own[places] >= limit).astype(float).tolist(), sample.of[places].tolist())
