"""Pixels as the encoder takes them: the whole picture or a region of it. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from functions.errors import Reject
from functions.events import Region

SIZE = 224
"""Height and width of the model's input."""
PREPROCESSING = "side1280-letterbox224-v1"
"""Fingerprint of all that changes a pixel, from decoding on: a change of rule is a new name, and so a new collection."""
GAP = 2.5
"""Pillow first halves 1280 px, then filters: 4 ms instead of 8, and the embedding keeps a cosine of 0.9999 to the full filter."""
MIN_CROP = 8
"""Pixels on each side of a region, below which there is nothing to compare."""


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    """An upright RGB picture as uint8 (224, 224, 3): longest side 224, centred on black.

    Black on the short sides is what the model was trained with; cropping would lose the ends of a sword.
    """
    width, height = image.size
    scale = SIZE / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=GAP)
    canvas = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    top, left = (SIZE - size[1]) // 2, (SIZE - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = np.asarray(small)
    return canvas


def cropped(image: Image.Image, region: Region | None) -> Image.Image:
    """The region of an upright picture. Raises ``Reject`` where it has less than 8 pixels on a side."""
    if region is None:
        return image
    left, top = round(region.left * image.width), round(region.top * image.height)
    right = min(image.width, left + round(region.width * image.width))
    bottom = min(image.height, top + round(region.height * image.height))
    if right - left < MIN_CROP or bottom - top < MIN_CROP:
        raise Reject("region-too-small", f"the region has {right - left} × {bottom - top} pixels: draw a larger one")
    return image.crop((left, top, right, bottom))
