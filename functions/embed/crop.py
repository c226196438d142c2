"""Where the object is in a photo: a box around what the model's saliency map marks. Pure.

Beside the full picture the box becomes a second view of the photo, since an object that fills a quarter of a photographed wall is
hardly seen at 224 pixels. Both views are kept: the crop alone loses points where the map is wrong.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from functions.events import Region

RULE = "crop-v1"
"""Name of the rule, part of the fingerprint: another rule makes other vectors."""
FAINT = 0.2
"""Highest value of a map in which nothing stands out."""
SALIENT = 0.5
"""Share of the highest value from which on a cell belongs to the object."""
THIN = 0.15
"""Share of the object's widest row or column below which it ends: what is thinner is a speck beside it."""
SEAM = 1
"""Cells inside the letterbox's edge that are not looked at: the map takes the black for an object, and its edge is ragged."""
MARGIN = 0.06
"""Of the box's sides, added on each side of it: the map ends inside the object's edge."""
FILLED = 0.8
"""Share of the picture from which on a box shows nothing that the full picture does not."""
LARGEST = 1280
"""Longest side in pixels of the display copy that the box is cut from."""
LEAST = 24
"""Pixels of a box's side in that copy, below which there is nothing to enlarge."""


def proposed(saliency: NDArray[np.float32], width: int, height: int) -> Region | None:
    """The object's box in an upright picture of ``width`` × ``height`` pixels.

    ``saliency``: (n, n), 0–1, over the square into which the picture was letterboxed. ``None`` where nothing stands out or the
    object fills the picture.
    """
    longest = max(width, height)
    top, bottom = inside(len(saliency), height / longest)
    left, right = inside(len(saliency), width / longest)
    picture = saliency[top:bottom, left:right]
    if not picture.size or (peak := float(picture.max())) < FAINT:
        return None
    marked = picture >= peak * SALIENT
    rows = run(marked.sum(axis=1))
    columns = run(marked[slice(*rows)].sum(axis=0))
    rows = run(marked[:, slice(*columns)].sum(axis=1))
    x, right_x = within(left + columns[0], left + columns[1], len(saliency), width / longest)
    y, bottom_y = within(top + rows[0], top + rows[1], len(saliency), height / longest)
    shown = min(1.0, LARGEST / longest)
    if min((right_x - x) * width, (bottom_y - y) * height) * shown < LEAST or (right_x - x) * (bottom_y - y) >= FILLED:
        return None
    return Region(left=x, top=y, width=right_x - x, height=bottom_y - y)


def inside(cells: int, share: float) -> tuple[int, int]:
    """First and last-but-one cell of a side that lie in the picture, where it takes ``share`` of the side, in its middle."""
    bar = cells * (1 - share) / 2
    seam = SEAM if bar else 0
    return ceil(bar) + seam, floor(cells - bar) - seam


def run(counts: NDArray[np.int64]) -> tuple[int, int]:
    """The stretch around the largest count in which none is thin: first place, and the one after the last."""
    thick = counts >= counts.max() * THIN
    middle = int(counts.argmax())
    before, after = np.flatnonzero(~thick[:middle]), np.flatnonzero(~thick[middle:])
    return (int(before[-1]) + 1 if len(before) else 0), (middle + int(after[0]) if len(after) else len(counts))


def within(first: int, last: int, cells: int, share: float) -> tuple[float, float]:
    """Cells ``first`` up to ``last`` of a letterboxed side, with the margin, as fractions of the picture's own side."""
    low, high = ((cell / cells - (1 - share) / 2) / share for cell in (first, last))
    margin = (high - low) * MARGIN
    return max(0.0, low - margin), min(1.0, high + margin)
