"""The learned whitening behind an encoder's features: ``L2((features - mean) @ matrix)``, inside the graph."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np

from infra.engine.errors import BuildError
from infra.engine.graph import Floats, Graph
from infra.engine.spec import Spec

LARGEST = 1_000_000
"""Bytes of the file: it is committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whitening:
    """``mean`` (features,) and ``matrix`` (features, dim), both float32."""

    mean: Floats
    matrix: Floats


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
    return Whitening(mean=mean.astype(np.float32), matrix=matrix.astype(np.float32))


def attach(graph: Graph, features: str, whitening: Whitening) -> str:
    """Add the whitening to a graph; returns the name of the vectors, float32 (batch, dim), each of unit length."""
    centred = graph.node("Sub", features, graph.constant("whitening/mean", whitening.mean), name="whitening/centred")
    turned = graph.node("MatMul", centred, graph.constant("whitening/matrix", whitening.matrix), name="whitening/turned")
    return graph.unit(turned, name="whitening/unit")
