"""In-memory twin of the encoders, held to the same contract suite."""

from __future__ import annotations

import numpy as np

from functions.errors import Unavailable
from functions.events import Lane
from functions.ports import Pixels, Saliency, Vectors

GRID = 8
"""Pixels looked at along each side."""
CELLS = 56
"""Along each side of a saliency map; the input's side is a multiple."""


class MemoryEncoder:
    """A coarse copy of the picture as its vector: alike pictures are near, other ones are not. No network, microseconds.

    ``dim`` is 193: 8 × 8 pixels of three colours, and a constant, so that a grey picture has a direction too.
    """

    dim = GRID * GRID * 3 + 1

    def __init__(self, fingerprint: str) -> None:
        self._served = fingerprint

    def encode(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> Vectors:
        """See :class:`functions.ports.Encoder`."""
        if fingerprint != self._served:
            raise Unavailable("encoder", f"it serves {self._served[:12]}, live is {fingerprint[:12]}")
        count, height, width, _ = pixels.shape
        rows, columns = (np.linspace(0, side - 1, GRID).round().astype(int) for side in (height, width))
        coarse = pixels[:, rows][:, :, columns].reshape(count, -1) / np.float32(255) - np.float32(0.5)
        values = np.concatenate([coarse, np.ones((count, 1), np.float32)], axis=1)
        return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), dtype=np.float32)

    def encode_with_saliency(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> tuple[Vectors, Saliency]:
        """What is bright is the object."""
        vectors = self.encode(pixels, fingerprint=fingerprint, lane=lane)
        count, height, width, _ = pixels.shape
        cells = pixels.reshape(count, CELLS, height // CELLS, CELLS, width // CELLS, 3)
        return vectors, np.asarray(cells.mean(axis=(2, 4, 5)) / 255, dtype=np.float32)
