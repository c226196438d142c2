"""Whether a candidate answers as its reference does. Pure, on arrays.

The reference is the float32 graph in ONNX Runtime on a CPU. Bounds are those under which a search stays the same: vectors of one
collection may come from either, so each must stand for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infra.engine.errors import BuildError

Outputs = Mapping[str, NDArray[np.float32]]
"""By name: ``embedding`` (n, dim), and perhaps ``saliency`` (n, cells, cells)."""
Run = Callable[[NDArray[np.uint8]], Outputs]
"""Pictures uint8 (n, 224, 224, 3) → outputs."""

MIN_COSINE = 0.995
MIN_OVERLAP = 0.97
"""Mean share of the ten nearest real pictures that stay the ten nearest."""
NEIGHBOURS = 10
MIN_PICTURES = 64
"""Real ones, and hard ones, at least."""
MAX_SALIENCY = 0.05
"""Largest mean difference of a picture's saliency map: a box moves by less than a cell."""
MAX_PEAK = 0.25
"""Largest difference of one cell. A kernel that fails in one tile of 4 × 4 cells moves the mean by 0.004 at most, and may cut
another object out of the photo all the same. Wider than the mean's bound, since a cell on an object's edge is where the
sigmoid is steepest."""
MAX_LENGTH_ERROR = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What was found. JSON: its fields."""

    pictures: int
    hard: int
    finite: bool
    length_error: float
    """Largest distance of a vector's length from 1."""
    min_cosine: float
    mean_cosine: float
    worst: int
    """Which picture has the lowest cosine; the real ones are counted first."""
    overlap: float
    saliency: float | None
    """Largest mean difference of a map; ``None`` where the model has none."""
    saliency_peak: float | None = None
    """Largest difference of a single cell."""

    @property
    def faults(self) -> list[str]:
        """Why it must not serve; empty where it may."""
        found = []
        if not self.finite:
            found.append("an output holds NaN or infinity")
        if not self.length_error <= MAX_LENGTH_ERROR:
            found.append(f"expected vectors of length 1, found one {self.length_error:.3g} away")
        if not self.min_cosine >= MIN_COSINE:
            found.append(f"expected a cosine of {MIN_COSINE} at least, found {self.min_cosine:.4f} (picture {self.worst})")
        if not self.overlap >= MIN_OVERLAP:
            found.append(f"expected {MIN_OVERLAP:.0%} of the ten nearest to stay, found {self.overlap:.1%}")
        if self.saliency is not None and not self.saliency <= MAX_SALIENCY:
            found.append(f"expected saliency within {MAX_SALIENCY} on average, found {self.saliency:.3f} away")
        if self.saliency_peak is not None and not self.saliency_peak <= MAX_PEAK:
            found.append(f"expected each cell of a saliency within {MAX_PEAK}, found one {self.saliency_peak:.3f} away")
        return found

    def __str__(self) -> str:
        """A line for people."""
        verdict = "agrees with its reference" if not self.faults else "REFUSED: " + "; ".join(self.faults)
        return (
            f"{verdict}\n{self.pictures} pictures and {self.hard} hard ones: cosine {self.min_cosine:.5f} at least, "
            f"{self.mean_cosine:.5f} on average; {self.overlap:.1%} of the ten nearest stay"
        )


def measured(reference: Run, candidate: Run, pictures: NDArray[np.uint8], hard: NDArray[np.uint8], *, batch: int) -> Parity:
    """Run both on all pictures and compare. Raises ``BuildError`` for fewer than 64 of either kind, or other outputs."""
    if min(len(pictures), len(hard)) < MIN_PICTURES:
        raise BuildError(f"parity needs {MIN_PICTURES} pictures and as many hard ones, there are {len(pictures)} and {len(hard)}")
    asked = np.concatenate([pictures, hard])
    return compare(run(reference, asked, batch), run(candidate, asked, batch), real=len(pictures))


def run(model: Run, pictures: NDArray[np.uint8], batch: int) -> Outputs:
    """All outputs, by batches of ``batch`` and a last one that is smaller."""
    parts = [model(pictures[start : start + batch]) for start in range(0, len(pictures), batch)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def compare(expected: Outputs, found: Outputs, *, real: int) -> Parity:
    """Compare outputs of the same pictures, of which the first ``real`` are real ones. Raises ``BuildError`` for other shapes."""
    shapes = [{name: values.shape for name, values in outputs.items()} for outputs in (expected, found)]
    if shapes[0] != shapes[1]:
        raise BuildError(f"expected outputs {shapes[0]}, found {shapes[1]}")
    reference, candidate = expected["embedding"], found["embedding"]
    lengths = np.linalg.norm(candidate, axis=1)
    cosines = np.einsum("nd,nd->n", unit(reference), unit(candidate))
    away = np.abs(expected["saliency"] - found["saliency"]) if "saliency" in expected else None
    return Parity(
        pictures=real,
        hard=len(reference) - real,
        finite=all(bool(np.isfinite(values).all()) for values in found.values()),
        length_error=float(np.abs(lengths - 1).max()),
        min_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        worst=int(np.nan_to_num(cosines, nan=-2).argmin()),
        overlap=overlap(reference[:real], candidate[:real]),
        saliency=None if away is None else float(away.mean(axis=(1, 2)).max()),
        saliency_peak=None if away is None else float(away.max()),
    )


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of unit length; a zero row stays zero."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def overlap(reference: NDArray[np.float32], candidate: NDArray[np.float32]) -> float:
    """Mean share of each picture's ten nearest that both name: a candidate's queries against the reference's gallery."""
    expected, found = nearest(reference, reference), nearest(candidate, reference)
    return float(np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(expected, found, strict=True)]))


def nearest(queries: NDArray[np.float32], gallery: NDArray[np.float32]) -> NDArray[np.int64]:
    """Places of each query's ten nearest, itself left out: shape (n, 10)."""
    scores = np.nan_to_num(unit(queries) @ unit(gallery).T, nan=-2)
    np.fill_diagonal(scores, -3)
    return np.argsort(-scores, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(gallery) - 1)]


def hard_pictures(size: int, seed: int = 0) -> NDArray[np.uint8]:
    """64 pictures that break kernels rather than people: uint8 (64, size, size, 3)."""
    made = np.stack(list(_hard(size, np.random.default_rng(seed))))
    assert len(made) == MIN_PICTURES
    return made


def _hard(size: int, rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    shape = (size, size, 3)
    for value in (0, 255, 128, 1, 254):
        yield np.full(shape, value, np.uint8)
    for colour in range(3):
        flat = np.zeros(shape, np.uint8)
        flat[..., colour] = 255
        yield flat
    for _ in range(16):
        yield rng.integers(0, 256, shape, dtype=np.uint8)
    for place in rng.integers(0, size, (8, 2)):
        dot = np.zeros(shape, np.uint8)
        dot[tuple(place)] = 255
        yield dot
    for thickness in (1, 2, 3, 8):  # what letterboxing leaves of extreme aspect ratios
        strip = np.zeros(shape, np.uint8)
        middle = size // 2
        strip[middle : middle + thickness] = rng.integers(0, 256, (thickness, size, 3), dtype=np.uint8)
        yield strip
        yield strip.transpose(1, 0, 2)
    for period in (1, 2, 7, 14, 16, 28, 56, 112):  # also of the patches' size
        board = (np.add.outer(np.arange(size) // period, np.arange(size) // period) % 2 * 255).astype(np.uint8)
        yield np.repeat(board[..., None], 3, axis=2)
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    for turn in range(4):
        yield np.rot90(np.broadcast_to(ramp[None, :, None], shape), turn).copy()
    for share in np.linspace(0.001, 0.5, 12):
        salt = np.zeros(shape, np.uint8)
        salt[rng.random((size, size)) < share] = 255
        yield salt
