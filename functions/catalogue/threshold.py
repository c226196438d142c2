"""How high strangers score in a collection of a certain size.

The best of n cosines to things that are not the same grows with n: 2 % false accepts at 400 objects are most of them at a
million. So not a threshold is fitted but the tail: how many rows above a score a stranger meets is, by extreme value theory, a
generalised Pareto law; since a cosine ends at 1, it is an exponential of -ln(1 - cosine), and their number is Poisson's (Coles
2001, An Introduction to Statistical Modeling of Extreme Values, ch. 4 and 7). It is proportional to the size: any follows.

Asked for 2 %: fitted on the strangers of one half of the objects, it let 1.9 % of the other half's pass (539 photographs of the
demo and of Getty, whitened dinov2-focus; mean of 200 splits, 95 % of them within 0.3–4.9 %), and 3.1 % (0–7.9 %; 40 draws) where
it was fitted within a quarter of the objects and applied to the whole. The middle of the scores does not have to fit.
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
END = 1e-9
"""How near to 1 a cosine is told from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """How a stranger's best score is distributed above ``start``, fitted at one collection size. JSON: its fields."""

    compared: int
    """Rows that each stranger was compared with."""
    strangers: int
    """How many best scores it stands on."""
    start: float
    """Where the tail begins, as -ln(1 - cosine)."""
    share: float
    """Strangers that reach it among ``compared`` rows, 0–1."""
    scale: float
    """Over which the rows above a score become e times fewer."""

    def threshold(self, size: int, false_accepts: float = FALSE_ACCEPTS) -> float:
        """The score that a share of strangers reaches in a collection of this size.

        In a collection so small that the score would lie below the fitted tail it is the tail's start: stricter than asked.
        """
        met = -math.log1p(-false_accepts) * self.compared / max(1, size)
        return unstretched(self.start + max(0.0, self.scale * math.log(met_by(self.share) / met)))

    def reached(self, score: float, size: int) -> float:
        """Share of strangers whose best score in a collection of this size is at least ``score``; below the tail 1."""
        above = stretched(score) - self.start
        if above < 0:
            return 1.0
        return -math.expm1(-met_by(self.share) * math.exp(-above / self.scale) * size / self.compared)


def stretched(cosine: float) -> float:
    """-ln(1 - cosine): scores near 1 are pulled apart."""
    return -math.log(max(1 - cosine, END))


def unstretched(value: float) -> float:
    """The cosine of a stretched one."""
    return 1 - math.exp(-value)


def met_by(share: float) -> float:
    """Rows above a score that strangers meet on average, where this share of them meets any."""
    return -math.log1p(-share)


def mean_excess(share: float) -> float:
    """Mean excess of the best scores above the start, in units of ``scale``, where this share of the strangers reaches it.

    More than 1 (1.09 at 30 %), since of several rows above the start the best counts. It is the integral of
    (1 - exp(-m)) / m up to :func:`met_by`, divided by the share, here as its series.
    """
    met = met_by(share)
    return math.fsum((-1.0) ** (k + 1) * met**k / (k * math.factorial(k)) for k in range(1, 20)) / share


def fit(best_scores: Sequence[float], *, compared: int) -> Tail:
    """Fit on the best score of each stranger against ``compared`` rows.

    Raises ``ValueError`` below 50 strangers, where a score is no number, or where all have the same.
    """
    if len(best_scores) < MIN_STRANGERS:
        raise ValueError(f"a threshold needs at least {MIN_STRANGERS} strangers, there are {len(best_scores)}")
    if compared < 1:
        raise ValueError(f"a threshold needs a collection, this one has {compared} rows")
    if not all(math.isfinite(score) for score in best_scores):
        raise ValueError("a threshold needs scores that are numbers")
    ranked = sorted((stretched(score) for score in best_scores), reverse=True)
    count = round(len(ranked) * TAIL)
    start = ranked[count]
    share = count / len(ranked)
    scale = (sum(ranked[:count]) / count - start) / mean_excess(share)
    if scale <= 1e-9:
        raise ValueError(f"the {count} most alike strangers have the same score: are they copies of one photo?")
    return Tail(compared=compared, strangers=len(ranked), start=start, share=share, scale=scale)
