"""Queries: changed copies of catalogued pictures, each with bytes of its own."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageEnhance

from tests.pictures import picture

SIZE = (320, 240)
"""Width and height in pixels: small, so that it is the pipeline that is loaded and not the decoder."""


def known(seed: int) -> bytes:
    """The catalogued picture of a seed, as JPEG."""
    return _jpeg(picture(seed, SIZE))


def changed(seed: int, chance: random.Random) -> bytes:
    """The same picture a little cropped and in other light, as JPEG."""
    left, top, right, bottom = (chance.randrange(12) for _ in range(4))
    cut = picture(seed, SIZE).crop((left, top, SIZE[0] - right, SIZE[1] - bottom))
    return _jpeg(ImageEnhance.Brightness(cut).enhance(chance.uniform(0.85, 1.15)))


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()
