"""An ONNX graph that is being written: fixed shapes but for the batch, constants beside nodes, no shape arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from functions.pixels import SIZE
from infra.engine.errors import BuildError

OPSET = 17
"""The first one with LayerNormalization, which TensorRT and ONNX Runtime take as one kernel."""
IR_VERSION = 8
INPUT = "pixels"
EPSILON = 1e-6
"""Keeps a vector of zeros from a division by zero."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """The last tensor that features and saliency share: whoever wants the features alone stops there."""

    tensor: str
    shape: tuple[int, ...]
    """Without the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Names of what a recipe computes."""

    features: str
    """float32 (batch, features), each row of unit length."""
    saliency: str | None = None
    """float32 (batch, 64, 64), 0–1, where the model has it."""
    branch: Branch | None = None
    """Where the saliency leaves the features, where the model has it."""


class Graph:
    """Nodes in the order in which they are written. A node's output has the node's name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def node(self, operator: str, *inputs: str, name: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """Add a node; returns the name of its (first) output."""
        made = list(outputs) or [name]
        self._nodes.append(helper.make_node(operator, list(inputs), made, name=name, **attributes))
        return made[0]

    def constant(self, name: str, value: ArrayLike, kind: type[np.generic] = np.float32) -> str:
        """Add a constant, once; returns its name."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(value, dtype=kind, order="C"), name)
        return name

    def linear(self, x: str, weight: Floats, bias: Floats, *, name: str) -> str:
        """``x @ weight + bias`` over the last axis."""
        product = self.node("MatMul", x, self.constant(f"{name}/weight", weight), name=f"{name}/product")
        return self.node("Add", product, self.constant(f"{name}/bias", bias), name=name)

    def normalised(self, scale: ArrayLike, shift: ArrayLike) -> str:
        """The input: uint8 (batch, 224, 224, 3) → ``pixels * scale + shift``, float32 (batch, 3, 224, 224)."""
        wide = self.node("Cast", INPUT, name="input/float", to=TensorProto.FLOAT)
        scaled = self.node("Mul", wide, self.constant("input/scale", scale), name="input/scaled")
        shifted = self.node("Add", scaled, self.constant("input/shift", shift), name="input/shifted")
        return self.node("Transpose", shifted, name="input/planes", perm=[0, 3, 1, 2])

    def reshaped(self, x: str, shape: Sequence[int], *, name: str) -> str:
        """``x`` in a shape whose batch is −1 and whose rest is fixed."""
        return self.node("Reshape", x, self.constant(f"{name}/shape", shape, np.int64), name=name)

    def unit(self, x: str, *, name: str) -> str:
        """Each row of ``x`` (batch, n) at unit length."""
        length = self.node("ReduceL2", x, name=f"{name}/length", axes=[1], keepdims=1)
        safe = self.node("Add", length, self.constant("epsilon", EPSILON), name=f"{name}/safe")
        return self.node("Div", x, safe, name=name)

    def model(self, outputs: Mapping[str, tuple[str, Sequence[int]]], *, start: Branch | None = None) -> bytes:
        """The part of the graph that these outputs need: name → (what is given out, its shape without the batch).

        It starts at the pixels, or at the tensor ``start``.
        """
        nodes, constants = self._needed([given for given, _ in outputs.values()], start.tensor if start else INPUT)
        renamed = [
            helper.make_node("Identity", [given], [name], name=name) for name, (given, _) in outputs.items() if name != given
        ]
        first = (start.tensor, TensorProto.FLOAT, start.shape) if start else (INPUT, TensorProto.UINT8, (SIZE, SIZE, 3))
        graph = helper.make_graph(
            [*nodes, *renamed],
            self._name,
            [helper.make_tensor_value_info(first[0], first[1], ["batch", *first[2]])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape]) for name, (_, shape) in outputs.items()],
            constants,
        )
        domains = sorted({node.domain for node in nodes} - {""})
        opsets = [helper.make_opsetid("", OPSET), *(helper.make_opsetid(domain, 1) for domain in domains)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="museum-search")
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _needed(self, outputs: Sequence[str], start: str) -> tuple[list[Any], list[Any]]:
        """Nodes and constants between a tensor and these outputs, in the order in which they were written."""
        wanted, nodes = {*outputs} - {start}, []
        for node in reversed(self._nodes):
            if wanted.intersection(node.output):
                nodes.append(node)
                wanted |= {*node.input} - {start}
        return nodes[::-1], [value for name, value in self._constants.items() if name in wanted]


def expected(weights: Mapping[str, Floats], name: str, shape: tuple[int, ...], *, where: str) -> Floats:
    """One of a source's weights. Raises ``BuildError`` where it is not there, or of another shape."""
    found = weights.get(name)
    if found is None or found.shape != shape:
        what = "nothing" if found is None else f"shape {found.shape}"
        raise BuildError(f"{where}: expected {name} of shape {shape}, found {what}")
    return found


def folded(weight: Floats, norm: Mapping[str, Floats], *, epsilon: float, axis: int) -> tuple[Floats, Floats]:
    """A convolution's weight and bias that do what it and the batch normalisation after it did.

    ``norm``: ``weight``, ``bias``, ``running_mean``, ``running_var``, shape (channels,). ``axis``: where the weight has its
    output channels.
    """
    scale = norm["weight"].astype(np.float64) / np.sqrt(norm["running_var"].astype(np.float64) + epsilon)
    shape = [1] * weight.ndim
    shape[axis] = -1
    shifted = norm["bias"] - norm["running_mean"] * scale
    return (weight * scale.reshape(shape)).astype(np.float32), shifted.astype(np.float32)
