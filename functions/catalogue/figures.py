"""Shares with their intervals. Pure."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

Z = 1.959964
"""Of a 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A share 0–1, its 95 % interval, and what it stands on."""

    value: float
    low: float
    high: float
    count: int
    """Pairs, photos or values that were looked at."""
    objects: int
    """Objects that they are of: what is independent of each other."""

    def __str__(self) -> str:
        """In per cent."""
        return f"{self.value:.1%} ({self.low:.1%}–{self.high:.1%})"


def figure(values: Sequence[float], objects: Sequence[Hashable], weights: Sequence[float] | None = None) -> Figure | None:
    """The (weighted) mean of values 0–1, with Wilson's interval; ``None`` where there are no values.

    The interval counts objects, not values, since photos of one object are alike; of values within 0–1 a share has the
    largest variance, so that it is rather too wide (Wilson 1927; Brown, Cai, DasGupta 2001, Statistical Science 16).
    """
    if not values:
        return None
    heavy = weights or [1.0] * len(values)
    mean = sum(value * weight for value, weight in zip(values, heavy, strict=True)) / sum(heavy)
    count = len(set(objects))
    low, high = wilson(mean, count)
    rounded = (round(number, 4) for number in (mean, low, high))
    return Figure(**dict(zip(("value", "low", "high"), rounded, strict=True)), count=len(values), objects=count)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's interval of a share seen in ``count`` independent trials."""
    spread = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    middle, whole = share + Z**2 / (2 * count), 1 + Z**2 / count
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)
