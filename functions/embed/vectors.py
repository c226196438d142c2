"""The last vectors of this process, so that the same photo under two keys is embedded once."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from functions.runtime.recent import Recent

SIZE = 512
"""Photos of two vectors of 256 float32: 1 MB."""

Views: TypeAlias = dict[str, NDArray[np.float32]]
"""The vectors of one photo, shape (dim,), by view: ``full``, and ``crop`` where an object stands out."""


class VectorCache(Recent[tuple[str, str], Views]):
    """A photo's views by fingerprint and key of the pixels, which names their content."""

    def __init__(self) -> None:
        super().__init__(SIZE)
