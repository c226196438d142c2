"""What is measured with: the demo's photographs, and photos of 6 megapixels made by a seeded generator."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from infra.engine.wheels import cache_folder
from infra.local import stamps

SIX_MEGAPIXELS = (3000, 2000)
"""Width and height."""


def demo() -> list[Path]:
    """The demo's photographs, 500 to 700 px, in the order of their names."""
    made = stamps.build(stamps.fetch(cache_folder()), cache_folder() / "demo")
    return sorted(made.images.iterdir())


def generated(folder: Path, count: int) -> list[Path]:
    """JPEGs of 6 megapixels, each different: coarse shapes, finer ones, and grain, 2 to 3 MB as a camera's."""
    folder.mkdir(parents=True, exist_ok=True)
    return [one(folder / f"six-{number:03}.jpg", number) for number in range(count)]


def one(target: Path, seed: int) -> Path:
    """One such photo, unless it is there."""
    if not target.exists():
        random = np.random.default_rng(seed)
        width, height = SIX_MEGAPIXELS
        layers = [
            np.asarray(
                Image.fromarray(random.integers(0, 256, (cells * 2, cells * 3, 3), np.uint8)).resize((width, height), 3), np.int16
            )
            for cells in (3, 24)
        ]
        grain = random.integers(-14, 15, (height, width, 1), np.int16)
        mixed = (layers[0] * 3 + layers[1]) // 4 + grain
        Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)).save(target, quality=90)
    return target


def fresh(folder: Path, files: list[Path], tag: str) -> list[Path]:
    """The same pictures in files of other bytes, which a running stack has not embedded before."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file.name).write_bytes(file.read_bytes() + tag.encode())  # behind the end of the JPEG
    return [folder / file.name for file in files]


def portions(photos: list[Path], size: int) -> Iterator[list[Path]]:
    """Disjoint sets, one a round: a photo that was embedded before costs the pipeline nothing."""
    for start in range(0, len(photos) - size + 1, size):
        yield photos[start : start + size]


def named_anew(folder: Path, files: list[Path], tag: str) -> list[Path]:
    """Further photos of the same things: other bytes under other names."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / f"more-{file.name}").write_bytes(file.read_bytes() + tag.encode())
    return [folder / f"more-{file.name}" for file in files]


def stand_ins(folder: Path, files: list[Path], pictures: list[Path]) -> list[Path]:
    """Small pictures under the names of other files: with them the objects are there before their photos come."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        (folder / file.name).write_bytes(pictures[number % len(pictures)].read_bytes() + file.name.encode())
    return [folder / file.name for file in files]


def table(target: Path, photos: list[Path]) -> Path:
    """The table by which ``museum import`` takes these photos: an object each, named without ``more-``."""
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(("object_id", "name", "description", "group", "img_name"))
        for photo in photos:
            name = photo.stem.removeprefix("more-")
            writer.writerow((name, name, "A photograph.", "10", photo.name))
    return target
