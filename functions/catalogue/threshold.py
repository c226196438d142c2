"""When nothing in the collection is like the query. A threshold belongs to a model and a collection of a certain size.

The best of n cosines to things that are not the same grows with n: 2 % false accepts at 400 objects are most of them at a
million. So not a threshold is fitted but the tail: of strangers' best scores the highest 30 % follow, by extreme value theory, a
generalised Pareto law; since a cosine ends at 1, it is an exponential of -ln(1 - cosine) (peaks over threshold: Coles 2001, An
Introduction to Statistical Modeling of Extreme Values, ch. 4). From it follows what one pair does, and from that any size.

Seen with 332 photographs and dinov2-focus: fitted on one half, 1.4 % of the other half's strangers passed (2.3 % where a
category is finer), and 0.7 % (1.6 %) where it was fitted against a quarter of the collection. A Gumbel law of all best scores
let 0.3 % pass and refused 2.4 % more of the changed copies: it is not the middle of the scores that has to fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FALSE_ACCEPTS = 0.02
"""Share of strangers that may pass as similar."""
TAIL = 0.3
"""Share of the strangers, those with the highest scores, that the tail is fitted on."""
MIN_STRANGERS = 50
"""Below that fewer than 15 scores make the tail."""
MAX_GROWTH = 2.0
"""A collection that has grown by this factor has other neighbours than those that were looked at: its threshold is stale."""
END = 1e-9
"""How near to 1 a cosine is told from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How a stranger's best score is distributed above ``start``, fitted at one collection size. JSON: its fields."""

    fingerprint: str
    """Of the model whose scores these are."""
    size: int
    """Rows of the collection that the strangers were compared with."""
    strangers: int
    """How many best scores it stands on."""
    start: float
    """Where the tail begins, as -ln(1 - cosine)."""
    share: float
    """Strangers that reach it at ``size``, 0–1."""
    scale: float
    """Mean excess over ``start``."""

    def stale(self, size: int) -> bool:
        """Whether the collection has doubled since."""
        return size >= self.size * MAX_GROWTH

    def threshold(self, size: int, false_accepts: float = FALSE_ACCEPTS) -> float | None:
        """The score that a share of strangers reaches in a collection of this size; ``None``: not calibrated for that.

        In a collection so small that the score would lie below the fitted tail it is the tail's start: stricter than asked.
        """
        if size < 1 or self.stale(size):
            return None
        reached = 1 - (1 - false_accepts) ** (self.size / size)
        return unstretched(self.start + max(0.0, self.scale * math.log(self.share / reached)))


def stretched(cosine: float) -> float:
    """-ln(1 - cosine): scores near 1 are pulled apart."""
    return -math.log(max(1 - cosine, END))


def unstretched(value: float) -> float:
    """The cosine of a stretched one."""
    return 1 - math.exp(-value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether anything is similar. ``similar`` is ``None`` where no calibration fits: then nothing is claimed."""

    similar: bool | None
    threshold: float | None
    collection_size: int
    false_accepts: float = FALSE_ACCEPTS


def fit(best_scores: Sequence[float], *, fingerprint: str, size: int) -> Calibration:
    """Fit on the best score of each stranger against a collection of ``size`` rows.

    Raises ``ValueError`` below 50 strangers, where a score is no number, or where all have the same.
    """
    if len(best_scores) < MIN_STRANGERS:
        raise ValueError(f"a threshold needs at least {MIN_STRANGERS} strangers, there are {len(best_scores)}")
    if size < 1:
        raise ValueError(f"a threshold needs a collection, this one has {size} rows")
    if not all(math.isfinite(score) for score in best_scores):
        raise ValueError("a threshold needs scores that are numbers")
    ranked = sorted((stretched(score) for score in best_scores), reverse=True)
    count = round(len(ranked) * TAIL)
    start = ranked[count]
    scale = sum(ranked[:count]) / count - start
    if scale <= 0:
        raise ValueError(f"the {count} most alike strangers have the same score: are they copies of one photo?")
    return Calibration(
        fingerprint=fingerprint, size=size, strangers=len(ranked), start=start, share=count / len(ranked), scale=scale
    )


def verdict(best_score: float | None, calibration: Calibration | None, size: int) -> Verdict:
    """Judge the best score of a query in a collection of ``size`` rows; an empty one has nothing similar."""
    if best_score is None:
        return Verdict(similar=False, threshold=None, collection_size=size)
    threshold = calibration.threshold(size) if calibration else None
    similar = None if threshold is None else best_score >= threshold
    return Verdict(similar=similar, threshold=None if threshold is None else round(threshold, 4), collection_size=size)
