"""The last vectors of this process, so that the same photo under two keys is embedded once."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray


class VectorCache:
    """Least recently used vectors by (fingerprint, key of the pixels, which names their content). Thread-safe.

    512 vectors of 1536 float32 are 3 MB.
    """

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._vectors: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()

    def get(self, fingerprint: str, pixels: str) -> NDArray[np.float32] | None:
        """The vector, shape (dim,), or ``None``."""
        with self._lock:
            vector = self._vectors.get((fingerprint, pixels))
            if vector is not None:
                self._vectors.move_to_end((fingerprint, pixels))
            return vector

    def put(self, fingerprint: str, pixels: str, vector: NDArray[np.float32]) -> None:
        """Remember a vector; the one unused longest goes."""
        with self._lock:
            self._vectors[(fingerprint, pixels)] = vector
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)
