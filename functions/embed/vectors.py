"""The last vectors of this process, so that the same photo under two keys is embedded once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from functions.runtime.recent import Recent

SIZE = 512
"""Vectors of 1536 float32: 3 MB."""


class VectorCache(Recent[tuple[str, str], NDArray[np.float32]]):
    """Vectors, shape (dim,), by fingerprint and key of the pixels, which names their content."""

    def __init__(self) -> None:
        super().__init__(SIZE)
