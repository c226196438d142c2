"""Local features of a photo: where its corners and blobs are and what each looks like. Pure; nothing here reads or writes.

SIFT (Lowe 2004) at 256 px, its descriptors as RootSIFT (Arandjelović and Zisserman 2012) in one byte a value.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from functions.events import Region

cv2.setNumThreads(1)  # the processes that import this have threads of their own

FORMAT = "rootsift256-v1"
"""Name of the file beside a photo's display copies: another rule or layout is another name, and never read as this one."""
SIDE = 256
"""Longest side in pixels of the grey picture. SIFT doubles it before it looks."""
MOST = 250
"""Features of one photo, the strongest: 33 KB."""
DIM = 128
SCALE = 512
"""A descriptor of unit length times this, cut at 255: its values seldom exceed 0.5."""
HEADER = struct.Struct("<4sHHH")
"""Magic, number of features, width and height of the grey picture."""
MAGIC = b"RSF1"
GRID = 65535
"""Positions are fractions of width and height in two bytes each."""
ROW = 4 + DIM
MAX_BYTES = HEADER.size + MOST * ROW
"""No file of ours is larger."""


class BrokenFeatures(ValueError):
    """Bytes that are no features of this format: says what was expected and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFeatures:
    """The features of one picture."""

    width: int
    height: int
    """Of the grey picture, in pixels."""
    points: NDArray[np.float32]
    """(n, 2): x and y as fractions 0–1 of the upright picture."""
    descriptors: NDArray[np.uint8]
    """(n, 128): RootSIFT times 512."""

    def pixels(self) -> NDArray[np.float32]:
        """(n, 2): positions in pixels of the grey picture."""
        return self.points * np.array([self.width, self.height], np.float32)


def describe(image: Image.Image) -> LocalFeatures:
    """The features of an upright picture, RGB or grey. One without texture has none."""
    image = image.convert("L")
    image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    keypoints, raw = cv2.SIFT.create(nfeatures=MOST).detectAndCompute(np.asarray(image), None)
    size = np.array([image.width, image.height], np.float32)
    points = np.array([point.pt for point in keypoints[:MOST]], np.float32).reshape(-1, 2) / size
    found = np.empty((0, DIM), np.float32) if raw is None else raw[:MOST].astype(np.float32)
    return LocalFeatures(width=image.width, height=image.height, points=np.clip(points, 0, 1), descriptors=root(found))


def root(sift: NDArray[np.float32]) -> NDArray[np.uint8]:
    """RootSIFT of SIFT descriptors (n, 128): the root of each value's share of their sum, so that the length is 1."""
    shares = sift / np.maximum(sift.sum(axis=1, keepdims=True), 1)
    values: NDArray[np.float32] = np.round(np.sqrt(shares) * SCALE)
    return np.minimum(values, 255).astype(np.uint8)


def inside(features: LocalFeatures, region: Region | None) -> LocalFeatures:
    """The features that lie in a region of the picture; positions stay fractions of the whole."""
    if region is None:
        return features
    corner = np.array([region.left, region.top], np.float32)
    away = features.points - corner
    kept = ((away >= 0) & (away <= (region.width, region.height))).all(axis=1)
    return replace(features, points=features.points[kept], descriptors=features.descriptors[kept])


def key_of(sha256: str, part: str = "") -> str:
    """Where the features of a photo, or of a part of it, are in the derived bucket."""
    return f"{sha256}/{FORMAT}{part}.bin"


def pack(features: LocalFeatures) -> bytes:
    """The features as a file: header, positions (n, 2) in uint16, descriptors (n, 128)."""
    header = HEADER.pack(MAGIC, len(features.points), features.width, features.height)
    return header + np.round(features.points * GRID).astype("<u2").tobytes() + features.descriptors.tobytes()


def unpack(body: bytes) -> LocalFeatures:
    """Read a file of features. Raises ``BrokenFeatures`` for any other bytes."""
    if len(body) < HEADER.size:
        raise BrokenFeatures(f"expected a header of {HEADER.size} bytes, found {len(body)}")
    magic, count, width, height = HEADER.unpack_from(body)
    if magic != MAGIC:
        raise BrokenFeatures(f"expected {MAGIC!r} first, found {magic!r}")
    if count > MOST or not (1 <= width <= SIDE and 1 <= height <= SIDE):
        raise BrokenFeatures(f"expected at most {MOST} features in {SIDE} × {SIDE} pixels, found {count} in {width} × {height}")
    if len(body) != HEADER.size + count * ROW:
        raise BrokenFeatures(f"expected {HEADER.size + count * ROW} bytes for {count} features, found {len(body)}")
    points = np.frombuffer(body, "<u2", count * 2, HEADER.size).reshape(-1, 2)
    descriptors = np.frombuffer(body, np.uint8, count * DIM, HEADER.size + count * 4).reshape(-1, DIM)
    return LocalFeatures(width=width, height=height, points=(points / GRID).astype(np.float32), descriptors=descriptors)
