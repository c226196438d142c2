"""The second view of a photo: the object alone, cut from the largest display copy. Pure."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import JpegImagePlugin

from functions.events import Region
from functions.pixels import SIZE, cropped, pixels

ENOUGH = 2 * SIZE
"""Pixels of the object's longest side, above which the JPEG is reduced while it is decoded."""


def object_of(jpeg: bytes, box: Region) -> NDArray[np.uint8]:
    """The box of a display copy (a JPEG of ours) as the encoder takes it: uint8 (224, 224, 3)."""
    image = JpegImagePlugin.jpeg_factory(io.BytesIO(jpeg))
    longest = max(box.width * image.width, box.height * image.height)
    scale = min(1.0, ENOUGH / longest)
    image.draft("RGB", (round(image.width * scale), round(image.height * scale)))
    return pixels(cropped(image.convert("RGB"), box))
