"""Where the object is in a photo: a box around what the model's saliency map marks. Pure.

Beside the full picture the box becomes a second view of the photo, since an object that fills a quarter of a photographed wall is
hardly seen at 224 pixels. Both views are kept: the crop alone loses points where the map is wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from functions.events import Region

RULE = "crop-v1"
"""Name of the rule, part of the fingerprint: another rule makes other vectors."""
SALIENT = 0.5
"""Share of the map's highest value from which on a cell belongs to the object."""
FAINT = 0.2
"""Highest value below which nothing stands out."""
MARGIN = 0.08
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
    peak = float(saliency.max())
    if peak < FAINT:
        return None
    rows, columns = np.nonzero(saliency >= peak * SALIENT)
    left, right = within(columns.min(), columns.max() + 1, len(saliency), width / max(width, height))
    top, bottom = within(rows.min(), rows.max() + 1, len(saliency), height / max(width, height))
    shown = min(1.0, LARGEST / max(width, height))
    if min((right - left) * width, (bottom - top) * height) * shown < LEAST or (right - left) * (bottom - top) >= FILLED:
        return None
    return Region(left=left, top=top, width=right - left, height=bottom - top)


def within(first: int, last: int, cells: int, share: float) -> tuple[float, float]:
    """Cells ``first`` up to ``last`` of a letterboxed side, with the margin, as fractions of the picture's own side.

    ``share``: of the square's side that the picture's side takes, in its middle.
    """
    low, high = ((cell / cells - (1 - share) / 2) / share for cell in (first, last))
    margin = (high - low) * MARGIN
    return max(0.0, low - margin), min(1.0, high + margin)
