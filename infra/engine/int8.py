"""Matrix products of eight-bit numbers, written into a graph, and the ranges that they need.

Activations have 256 steps between bounds that were measured beforehand: bounds of the picture itself would make a vector depend
on its neighbours in the batch. Weights have 255 steps a column, and are signed: the kernel of unsigned ones takes twice as long.

Channels differ in size by a factor of a hundred, and one step serves them all. So each is divided by a scale of its own, and the
rows of the weights behind are multiplied by it: Xiao et al., SmoothQuant, 2023 (arXiv:2211.10438).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.engine.errors import BuildError
from infra.engine.spec import Spec

if TYPE_CHECKING:  # a list of models needs no onnx
    from infra.engine.graph import Graph

Floats = NDArray[np.float32]

DOMAIN = "com.microsoft"
"""Of ONNX Runtime's own operator: quantised inputs, float32 output, one kernel."""
MIDDLE = 128
"""Zero of an activation that is spread about zero."""
STEPS = 127
"""On either side of it."""
FINER = 250
"""Steps of the rest of an activation to one of its own: rounding leaves half a step on either side, and 250 fit into 256."""
LARGEST = 1_000_000
"""Bytes of the file: it is committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What is known of a tensor of activations."""

    scale: Floats
    """Each channel is divided by its own: shape (channels,)."""
    low: float
    """Bounds after that, about zero."""
    high: float
    first: float
    """Largest magnitude of the first token, which is none of those that have the bounds; 0 where it is one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantised:
    """Names of a tensor in steps, uint8, and of its scale and zero."""

    tensor: str
    scale: str
    zero: str


def read(spec: Spec) -> Mapping[str, Range]:
    """The ranges of a model by the tensor's name. Raises ``BuildError`` where they are missing, not whole, or no numbers."""
    file = spec.ranges_file
    if not file.is_file():
        raise BuildError(f"{file} is not there: `python -m infra.engine.ranging {spec.name}` measures it")
    body = file.read_bytes()
    if len(body) > LARGEST:
        raise BuildError(f"{file}: expected at most {LARGEST} bytes, found {len(body)}")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            names = [name.removesuffix("/scale") for name in arrays if name.endswith("/scale")]
            found = {name: (arrays[f"{name}/scale"], arrays[f"{name}/bounds"]) for name in names}
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BuildError(f"{file}: expected the arrays scale and bounds of each tensor: {error}") from None
    for name, (scale, bounds) in found.items():
        if (scale.ndim, bounds.shape) != (1, (3,)):
            raise BuildError(f"{file}: {name}: expected a scale a channel and 3 bounds, found {scale.shape} and {bounds.shape}")
        if not (np.isfinite(bounds).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise BuildError(f"{file}: {name}: expected bounds and positive scales, found {bounds} and {scale.min()} at least")
    return {
        name: Range(scale=scale.astype(np.float32), low=float(bounds[0]), high=float(bounds[1]), first=float(bounds[2]))
        for name, (scale, bounds) in found.items()
    }


def written(ranges: Mapping[str, Range]) -> bytes:
    """The file of ranges, as :func:`read` reads it."""
    body = io.BytesIO()
    arrays = {f"{name}/scale": one.scale.astype(np.float32) for name, one in ranges.items()}
    arrays |= {f"{name}/bounds": np.array([one.low, one.high, one.first], np.float32) for name, one in ranges.items()}
    np.savez_compressed(body, **arrays)  # type: ignore[arg-type]  # numpy's own parameter is not among the names
    return body.getvalue()


def of(ranges: Mapping[str, Range], name: str, channels: int) -> Range:
    """One of them. Raises ``BuildError`` where it is not there, or of another width."""
    found = ranges.get(name)
    if found is None or found.scale.shape != (channels,):
        what = "nothing" if found is None else f"{len(found.scale)} channels"
        raise BuildError(f"the measured ranges: expected {name} of {channels} channels, found {what}; measure them anew")
    return found


def quantised(graph: Graph, x: str, known: Range, *, name: str) -> Quantised:
    """``x``, already divided by the scales of its channels, in 256 steps between its bounds."""
    low, high = min(known.low, 0.0), max(known.high, 0.0)
    step = np.float32((high - low) / 255)
    zero = int(np.clip(np.rint(-low / float(step)), 0, 255))
    scale, origin = graph.constant(f"{name}/step", step), graph.constant(f"{name}/zero", zero, np.uint8)
    made = graph.node("QuantizeLinear", x, scale, origin, name=f"{name}/steps")
    return Quantised(tensor=made, scale=scale, zero=origin)


def linear(graph: Graph, x: Quantised, weight: Floats, bias: Floats, *, name: str) -> str:
    """``x @ weight + bias`` over the last axis, float32."""
    return graph.node(
        "MatMulIntegerToFloat", *_factors(graph, x, weight, name), graph.constant(f"{name}/bias", bias), name=name, domain=DOMAIN
    )


def fine(graph: Graph, x: str, known: Range, weight: Floats, bias: Floats, *, name: str) -> str:
    """The same of a single token (batch, 1, n) in 16 bits: as its steps and, in a second row, as those of what they leave.

    It costs a row.
    """
    step = np.float32(known.first / STEPS)
    scale, zero = graph.constant(f"{name}/step", step), graph.constant("middle", MIDDLE, np.uint8)
    steps = graph.node("QuantizeLinear", x, scale, zero, name=f"{name}/steps")
    rest = graph.node("Sub", x, graph.node("DequantizeLinear", steps, scale, zero, name=f"{name}/known"), name=f"{name}/rest")
    finer = graph.node("QuantizeLinear", rest, graph.constant(f"{name}/finer", step / FINER), zero, name=f"{name}/rest/steps")
    rows = graph.node("Concat", steps, finer, name=f"{name}/rows", axis=1)
    factors = _factors(graph, Quantised(tensor=rows, scale=scale, zero=zero), weight, name)
    both = graph.node("MatMulIntegerToFloat", *factors, name=f"{name}/both", domain=DOMAIN)
    one = graph.node("MatMul", graph.constant("together", [[1, 1 / FINER]]), both, name=f"{name}/product")
    return graph.node("Add", one, graph.constant(f"{name}/bias", bias), name=name)


def _factors(graph: Graph, x: Quantised, weight: Floats, name: str) -> tuple[str, ...]:
    """Inputs of the product: both factors, their scales, their zeros.

    No two products share a constant: ONNX Runtime, when it is asked for exact sums, converts those of each.
    """
    scale = np.abs(weight).max(axis=0) / np.float32(STEPS)
    steps = np.rint(weight / np.where(scale > 0, scale, 1))
    return (
        x.tensor, graph.constant(f"{name}/weight", steps, np.int8), x.scale, graph.constant(f"{name}/weight/step", scale),
        x.zero, graph.constant(f"{name}/weight/zero", 0, np.int8),
    )  # fmt: skip
