"""Learned whitening: what varies between photographs of one object is shrunk, what tells objects apart is kept.

Mikolajczyk and Matas 2007, "Improving descriptors for fast tree matching by optimal linear projection", as used for retrieval by
Radenović, Tolias and Chum 2018 (arXiv:1711.02512, section 3.3): whiten by the covariance within objects, then rotate to the
principal axes between them. It is kept beside the model's description and becomes the last nodes of its graph.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.engine.errors import BuildError
from infra.engine.spec import Spec

if TYPE_CHECKING:  # a fit needs no onnx
    from infra.engine.graph import Graph

DIM = 256
SHRINKAGE = 1.0
"""Share of the mean variance that is added to each direction, since a few hundred objects do not show them all.

By cross-validation over the objects that are fitted on, 0.03 to 1 differ by 2.5 points; more is safer with other photographs."""
LARGEST = 1_000_000
"""Bytes of the file: it is committed."""


class WhiteningError(ValueError):
    """Nothing can be fitted on these features; the message says what was expected and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whitening:
    """``(features - mean) @ matrix``, then L2."""

    mean: NDArray[np.float32]
    """Shape (D,)."""
    matrix: NDArray[np.float16]
    """Shape (D, 256)."""

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors, shape (n, 256), of raw features, shape (n, D)."""
        projected = (features - self.mean) @ self.matrix.astype(np.float32)
        return np.asarray(projected / np.linalg.norm(projected, axis=1, keepdims=True), dtype=np.float32)


def fit(features: NDArray[np.float32], objects: Sequence[str], *, dim: int = DIM, shrinkage: float = SHRINKAGE) -> Whitening:
    """Fit on raw features, shape (n, D), of the object named beside each; an object has at least two.

    Raises ``WhiteningError`` for features that are no numbers, objects with one photograph, and too few to have ``dim`` axes.
    """
    if len(features) != len(objects):
        raise WhiteningError(f"expected an object for each of {len(features)} features, found {len(objects)}")
    if not np.isfinite(features).all():
        raise WhiteningError("expected features that are numbers, found NaN or infinity")
    names, places, counts = np.unique(np.array(objects), return_inverse=True, return_counts=True)
    if len(names) <= dim:
        raise WhiteningError(f"{dim} axes need more than {dim} objects, found {len(names)}")
    if len(alone := names[counts < 2]):
        raise WhiteningError(f"expected two photographs of each object, {len(alone)} have one, such as {alone[0]}")
    values = features.astype(np.float64)
    centres = np.zeros((len(names), values.shape[1]))
    np.add.at(centres, places, values)
    centres /= counts[:, None]
    within = values - centres[places]
    covariance = within.T @ within / len(values)
    covariance += np.eye(len(covariance)) * shrinkage * np.trace(covariance) / len(covariance)
    spread, axes = np.linalg.eigh(covariance)
    whiten = axes / np.sqrt(spread)
    mean = centres.mean(axis=0)
    _, _, between = np.linalg.svd((centres - mean) @ whiten, full_matrices=False)
    matrix = whiten @ signed(between[:dim]).T
    scale = np.linalg.norm(matrix, axis=0).max()  # float16 has its best places below 1; L2 comes after
    return Whitening(mean=mean.astype(np.float32), matrix=(matrix / scale).astype(np.float16))


def signed(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows with their largest value positive: the same on every machine."""
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return np.asarray(axes * np.sign(largest)[:, None])


def read(spec: Spec) -> Whitening:
    """The whitening of a model. Raises ``BuildError`` where it is missing, of other dimensions, or not finite."""
    file = spec.whitening_file
    if not file.is_file():
        raise BuildError(f"{file} is not there: `museum models whiten {spec.name}` fits it")
    body = file.read_bytes()
    if len(body) > LARGEST:
        raise BuildError(f"{file}: expected at most {LARGEST} bytes, found {len(body)}")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            mean, matrix = arrays["mean"], arrays["matrix"]
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BuildError(f"{file}: expected the arrays mean and matrix: {error}") from None
    expected = (spec.features,), (spec.features, spec.dim)
    if (mean.shape, matrix.shape) != expected:
        raise BuildError(
            f"{file}: expected mean {expected[0]} and matrix {expected[1]}, found {mean.shape} and {matrix.shape}: "
            f"`museum models whiten {spec.name}` fits it to {spec.name}"
        )
    if not (np.isfinite(mean).all() and np.isfinite(matrix).all()):
        raise BuildError(f"{file}: expected numbers, found NaN or infinity: `museum models whiten {spec.name}` fits it anew")
    return Whitening(mean=mean.astype(np.float32), matrix=matrix.astype(np.float16))


def attach(graph: Graph, features: str, whitening: Whitening) -> str:
    """Add the whitening to a graph; returns the name of the vectors, float32 (batch, dim), each of unit length."""
    centred = graph.node("Sub", features, graph.constant("whitening/mean", whitening.mean), name="whitening/centred")
    turned = graph.node("MatMul", centred, graph.constant("whitening/matrix", whitening.matrix), name="whitening/turned")
    return graph.unit(turned, name="whitening/unit")
