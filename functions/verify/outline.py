"""The outline of a part of a picture. Here alone, since results are read where no pixels are."""

from __future__ import annotations

from typing import TypeAlias

Outline: TypeAlias = tuple[tuple[float, float], ...]
"""Four corners, x and y as fractions 0–1 of the upright picture, clockwise from the catalogued photo's top left."""
