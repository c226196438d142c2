"""Pictures made by a seed, different enough that an encoder tells them apart."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageDraw


def picture(seed: int, size: tuple[int, int] = (480, 360)) -> Image.Image:
    """Coloured shapes on a ground."""
    chance = random.Random(seed)

    def colour() -> tuple[int, int, int]:
        return chance.randrange(256), chance.randrange(256), chance.randrange(256)

    image = Image.new("RGB", size, colour())
    draw = ImageDraw.Draw(image)
    for _ in range(chance.randrange(3, 9)):
        x, y = chance.randrange(size[0]), chance.randrange(size[1])
        w, h = chance.randrange(30, size[0] // 2), chance.randrange(30, size[1] // 2)
        kind = chance.randrange(3)
        if kind == 0:
            draw.ellipse((x, y, x + w, y + h), fill=colour(), outline=colour(), width=5)
        elif kind == 1:
            draw.rectangle((x, y, x + w, y + h), fill=colour(), outline=colour(), width=5)
        else:
            draw.polygon([(x, y), (x + w, y + h // 3), (x - w // 3, y + h)], fill=colour())
    return image


def jpeg(seed: int, size: tuple[int, int] = (480, 360), quality: int = 85) -> bytes:
    """The picture of a seed as JPEG."""
    buffer = io.BytesIO()
    picture(seed, size).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
