"""Whether two photos show the same thing, by their local features: matches that one plane's move explains. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from functions.verify.features import LocalFeatures
from functions.verify.outline import Outline

RATIO = 0.85
"""A match counts where the second-best descriptor is this much farther away (Lowe's ratio test)."""
TOLERANCE = 4.0
"""Pixels of the grey picture by which an inlier may miss its place."""
LEAST = 5
"""Inliers below which nothing is said: any four matches fit a homography."""
MAX_ITERATIONS = 500
CONFIDENCE = 0.995
MAX_STRETCH = 4.0
"""How much longer one direction may become than the other: the same thing seen at 75° from the front."""
SCALES = (0.1, 10.0)
"""How much larger the thing may be in one picture than in the other, by length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What two photos have in common."""

    inliers: int
    query: Outline
    candidate: Outline


def match(query: LocalFeatures, candidate: LocalFeatures) -> Match | None:
    """The part that both show, or ``None`` where nothing holds together."""
    pairs = pairs_of(query.descriptors, candidate.descriptors)
    if len(pairs) < LEAST:
        return None
    seen, known = query.pixels()[pairs[:, 0]], candidate.pixels()[pairs[:, 1]]
    found = homography(known, seen)
    if found is None:
        return None
    plane, inside = found
    inliers = distinct(seen[inside], known[inside])
    if inliers < LEAST:
        return None
    box = box_of(known[inside])
    if not plausible(plane, box):
        return None
    return Match(inliers=inliers, query=outline(projected(plane, box), query), candidate=outline(box, candidate))


def pairs_of(query: NDArray[np.uint8], candidate: NDArray[np.uint8]) -> NDArray[np.intp]:
    """(m, 2): indices of descriptors that are each other's nearest and pass the ratio test."""
    if len(query) < 2 or len(candidate) < 2:
        return np.empty((0, 2), np.intp)
    left, right = unit(query), unit(candidate)
    likeness = left @ right.T
    rows = np.arange(len(left))
    nearest = likeness.argmax(axis=1)
    best = likeness[rows, nearest]
    mutual = likeness.argmax(axis=0)[nearest] == rows
    likeness[rows, nearest] = -1
    second = likeness.max(axis=1)
    good = mutual & (1 - best < RATIO**2 * (1 - second))
    return np.stack([rows[good], nearest[good]], axis=1)


def unit(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Descriptors (n, 128) as float32 of unit length."""
    values = descriptors.astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", values, values))
    return np.asarray(values / np.maximum(lengths, 1)[:, None], np.float32)


def homography(source: NDArray[np.float32], target: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """The plane's move from source to target points (m, 2) and which of them follow it, by MAGSAC++ (Barath et al. 2020)."""
    plane, mask = cv2.findHomography(source, target, cv2.USAC_MAGSAC, TOLERANCE, maxIters=MAX_ITERATIONS, confidence=CONFIDENCE)
    if plane is None or not np.isfinite(plane).all():
        return None
    return plane.astype(np.float64), mask.ravel().astype(np.bool_)


def distinct(seen: NDArray[np.float32], known: NDArray[np.float32]) -> int:
    """Inliers at places of their own in both pictures: one spot with four orientations is one."""
    return min(len(np.unique(np.round(points / 2), axis=0)) for points in (seen, known))


def box_of(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """(4, 2): corners of the box around points, clockwise from the top left."""
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def plausible(plane: NDArray[np.float64], box: NDArray[np.float64]) -> bool:
    """Whether a homography is the view of something flat from another place: no fold, no mirror, no needle."""
    depth = box @ plane[2, :2] + plane[2, 2]
    if (depth * depth[0] <= 0).any():
        return False
    (x, y) = box.mean(axis=0)
    h = plane / (plane[2, 0] * x + plane[2, 1] * y + plane[2, 2])
    u, v = h[0] @ (x, y, 1), h[1] @ (x, y, 1)
    jacobian = np.array([h[0, :2] - u * h[2, :2], h[1, :2] - v * h[2, :2]])
    long, short = np.linalg.svd(jacobian, compute_uv=False)
    return bool(
        np.linalg.det(jacobian) > 0
        and short > 0
        and long / short <= MAX_STRETCH
        and SCALES[0] <= (long * short) ** 0.5 <= SCALES[1]
    )


def projected(plane: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 2) moved by a homography."""
    moved = np.column_stack([points, np.ones(len(points))]) @ plane.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def outline(corners: NDArray[np.float64], picture: LocalFeatures) -> Outline:
    """Corners (4, 2) in pixels as fractions of a picture, cut at its edge."""
    fractions = np.clip(corners / (picture.width, picture.height), 0, 1)
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in fractions)
