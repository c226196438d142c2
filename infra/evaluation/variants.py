"""Synthetic queries: what a phone makes of a catalogue's photograph. Pure: a picture, a seeded generator → a picture.

Three kinds. ``copy``: perspective, rotation, crop, light, blur and JPEG at once. ``wall``: the object takes 25–50 % of the side
of a photographed wall. ``phone``: hand-held, on a table, with glare, noise and shake. They stand for real photos and are none: a
figure on them says whether a model holds against such changes, not what a museum will see.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Variant = Callable[[Image.Image, np.random.Generator], Image.Image]

SIDE = 640
"""Pixels of a query's longest side."""


def copy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The object again, off the axis, cropped, in other light, compressed to JPEG 30."""
    turned = rotated(cropped(picture, rng.uniform(0.6, 0.8), rng), rng.uniform(-15, 15), filling(rng))
    seen = lit(perspective(turned, 0.12, rng), rng)
    return jpeg(blurred(shrunk(seen), rng.uniform(0.3, 1.5)), 30)


def wall(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The object as a part of a wall, with frame, shadow and neighbours, photographed at an angle."""
    width, height = (SIDE, int(SIDE * rng.uniform(0.7, 0.8)))
    scene = surface(width, height, rng)
    share = rng.uniform(0.25, 0.5)
    scale = share * SIDE / max(picture.size)
    size = max(8, round(picture.width * scale)), max(8, round(picture.height * scale))
    hung = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        hung = framed(hung, rng)
    for _ in range(int(rng.integers(0, 3))):
        neighbour(scene, rng)
    room_x, room_y = max(1, width - hung.width), max(1, height - hung.height)
    left, top = int(rng.uniform(0.1, 0.9) * room_x), int(rng.uniform(0.1, 0.9) * room_y)
    scene = shadowed(scene, (left, top, left + hung.width, top + hung.height), rng)
    scene.paste(hung, (left, top))
    return jpeg(blurred(lit(perspective(scene, 0.06, rng), rng), rng.uniform(0.2, 0.8)), int(rng.integers(50, 80)))


def phone(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The object on a table, hand-held: glare, noise, shake, a turned horizon."""
    width, height = (SIDE, int(SIDE * 0.75))
    if rng.random() < 0.5:
        width, height = height, width
    scene = surface(width, height, rng)
    scale = rng.uniform(0.6, 0.9) * min(width / picture.width, height / picture.height)
    size = max(8, round(picture.width * scale)), max(8, round(picture.height * scale))
    placed = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    left, top = (int(rng.uniform(0.2, 0.8) * (side - own)) for side, own in zip(scene.size, size, strict=True))
    scene = shadowed(scene, (left, top, left + size[0], top + size[1]), rng)
    scene.paste(placed, (left, top))
    seen = perspective(rotated(scene, rng.uniform(-8, 8), filling(rng)), 0.1, rng)
    if rng.random() < 0.5:
        seen = glaring(seen, rng)
    return jpeg(shaken(noisy(lit(seen, rng), rng), rng), int(rng.integers(60, 85)))


KINDS: Mapping[str, Variant] = MappingProxyType({"copy": copy, "wall": wall, "phone": phone})


def variant(kind: str, picture: Image.Image, *, seed: int, name: str, number: int) -> Image.Image:
    """The ``number``-th variant of the picture called ``name``: the same each time, and independent of all others."""
    words = [seed, number, sorted(KINDS).index(kind), *name.encode()]
    return KINDS[kind](picture.convert("RGB"), np.random.default_rng(words))


# steps


def shrunk(picture: Image.Image) -> Image.Image:
    """At most a query's size."""
    scale = SIDE / max(picture.size)
    if scale >= 1:
        return picture
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.LANCZOS)


def cropped(picture: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """A window of a share of the area."""
    width, height = (max(8, int(side * share**0.5)) for side in picture.size)
    left, top = int(rng.uniform(0, max(0, picture.width - width))), int(rng.uniform(0, max(0, picture.height - height)))
    return picture.crop((left, top, left + width, top + height))


def filling(rng: np.random.Generator) -> tuple[int, int, int]:
    """A grey for what was outside of the picture."""
    grey = int(rng.integers(20, 236))
    return grey, grey, grey


def rotated(picture: Image.Image, degrees: float, outside: tuple[int, int, int]) -> Image.Image:
    """Turned, its whole content kept."""
    return picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=outside)


def perspective(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Each corner moved by up to ``strength`` of the sides."""
    width, height = picture.size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    moved = corners + rng.uniform(0, strength, (4, 2)) * (width, height) * [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    return picture.transform(
        picture.size, Image.Transform.PERSPECTIVE, homography(corners, moved), Image.Resampling.BICUBIC, fillcolor=filling(rng)
    )


def homography(target: NDArray[np.float64], source: NDArray[np.float64]) -> list[float]:
    """Pillow's eight coefficients that map the corners of ``target`` (4, 2) onto those of ``source``."""
    rows = []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return [float(value) for value in np.linalg.solve(np.array(rows), source.reshape(8))]


def lit(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Other brightness, contrast and colour of light, which falls from one side."""
    values = np.asarray(picture, np.float32) / 255
    height, width = values.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    across = np.cos(angle) * np.linspace(-1, 1, width)[None, :] + np.sin(angle) * np.linspace(-1, 1, height)[:, None]
    fall = 1 + rng.uniform(0, 0.25) * across[..., None]
    warmth = 1 + rng.uniform(-0.12, 0.12) * np.array([1, 0, -1])
    values = (values ** rng.uniform(0.7, 1.4) - 0.5) * rng.uniform(0.8, 1.2) + 0.5
    return from_floats(values * fall * warmth * rng.uniform(0.75, 1.2))


def blurred(picture: Image.Image, radius: float) -> Image.Image:
    """Out of focus."""
    return picture.filter(ImageFilter.GaussianBlur(radius))


def shaken(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Moved by a few pixels while the shutter was open."""
    steps = int(rng.integers(1, 5))
    angle = rng.uniform(0, np.pi)
    shifts = [(round(np.cos(angle) * step), round(np.sin(angle) * step)) for step in range(steps)]
    frames = [np.asarray(ImageChops.offset(picture, x, y), np.float32) for x, y in shifts]
    return from_floats(np.mean(frames, axis=0) / 255)


def noisy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A small sensor in a dim room."""
    values = np.asarray(picture, np.float32) / 255
    return from_floats(values + rng.normal(0, rng.uniform(0.005, 0.03), values.shape))


def glaring(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A lamp in the varnish or the glass."""
    values = np.asarray(picture, np.float32) / 255
    height, width = values.shape[:2]
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    size = rng.uniform(0.05, 0.2) * max(width, height)
    far = ((np.arange(width)[None, :] - x) / (size * rng.uniform(0.5, 1.5))) ** 2 + ((np.arange(height)[:, None] - y) / size) ** 2
    return from_floats(values + rng.uniform(0.3, 0.9) * np.exp(-far)[..., None])


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """As a phone or a messenger stores it."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def surface(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """A wall or a table: plain, plastered, striped, boarded or of brick, with a fall of light."""
    base = rng.uniform(0.25, 0.95) * (1 + rng.uniform(-0.15, 0.15, 3))
    values = np.ones((height, width, 3), np.float32) * base
    values += 0.04 * grain(width, height, int(rng.integers(2, 6)), rng)[..., None]
    values += 0.03 * grain(width, height, int(rng.integers(20, 60)), rng)[..., None]
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    match int(rng.integers(0, 4)):
        case 1:
            values[:, (np.arange(width) // int(rng.integers(20, 90))) % 2 == 0] *= rng.uniform(0.8, 0.98)
        case 2:
            plank = int(rng.integers(50, 140))
            values *= (1 - 0.25 * (np.broadcast_to(y, (height, width)) % plank < 3))[..., None]
        case 3:
            tall, long = int(rng.integers(22, 40)), int(rng.integers(60, 110))
            seam = (y % tall < 3) | ((x + (y // tall % 2) * long // 2) % long < 3)
            values *= (1 + rng.choice([-0.2, 0.2]) * seam)[..., None]
    return from_floats(values)


def grain(width: int, height: int, cell: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise about zero, of spots ``cell`` pixels wide: shape (height, width)."""
    coarse = rng.normal(0, 1, (height // cell + 2, width // cell + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float32)


def framed(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """In a frame, perhaps with a mount."""
    for share, light in ((rng.uniform(0, 0.06), rng.uniform(0.8, 1.0)), (rng.uniform(0.02, 0.08), rng.uniform(0.1, 0.7))):
        edge = max(1, int(share * max(picture.size)))
        colour = tuple(int(255 * min(1, light * tint)) for tint in (1 + rng.uniform(-0.1, 0.25, 3)))
        outer = Image.new("RGB", (picture.width + 2 * edge, picture.height + 2 * edge), colour)
        outer.paste(picture, (edge, edge))
        picture = outer
    return picture


def neighbour(scene: Image.Image, rng: np.random.Generator) -> None:
    """Something else on the wall: a label, a switch, the edge of another frame."""
    draw = ImageDraw.Draw(scene)
    width, height = (int(scene.width * rng.uniform(0.04, 0.2)), int(scene.height * rng.uniform(0.04, 0.25)))
    left, top = int(rng.uniform(-0.1, 1) * scene.width), int(rng.uniform(-0.1, 1) * scene.height)
    fill = tuple(int(value) for value in rng.integers(30, 250, 3))
    draw.rectangle((left, top, left + width, top + height), fill=fill, outline=(60, 60, 60), width=2)


def shadowed(scene: Image.Image, box: tuple[int, int, int, int], rng: np.random.Generator) -> Image.Image:
    """The object's soft shadow."""
    mask = Image.new("L", scene.size, 0)
    x, y = (int(shift) for shift in rng.integers(-8, 9, 2))
    ImageDraw.Draw(mask).rectangle((box[0] + x, box[1] + y, box[2] + x, box[3] + y), fill=int(rng.integers(60, 140)))
    return Image.composite(Image.new("RGB", scene.size, (0, 0, 0)), scene, mask.filter(ImageFilter.GaussianBlur(6)))


def from_floats(values: NDArray[np.floating]) -> Image.Image:
    """A picture of values 0–1, shape (height, width, 3); what is beyond is cut."""
    return Image.fromarray((values.clip(0, 1) * 255).astype(np.uint8))
