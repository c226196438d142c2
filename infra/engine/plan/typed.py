"""A float32 graph in mixed precision: float16, but where a list says float32.

TensorRT has miscompiled vision transformers in float16 without a word (NVIDIA/TensorRT 2709, 4723, 4742, 4837): its builder chose
the precision. Here the graph says it, each cast is a node, and the network is built strongly typed: the same graph for TensorRT
10, for 11, which knows nothing else, and for ONNX Runtime, in which a CPU checks what float16 does to the vectors. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from infra.engine.errors import BuildError

OPERATOR = "op:"
"""Begins a pattern of operators; others are of node names."""
FLOAT_ONLY: Mapping[str, frozenset[int]] = MappingProxyType({"Resize": frozenset({1, 2}), "Upsample": frozenset({1})})
"""Inputs that the operator takes in float32 alone."""
HALF_MAX = float(np.finfo(np.float16).max)


def typed(model: onnx.ModelProto, fp32: Sequence[str]) -> onnx.ModelProto:
    """The model with float16 inside; its inputs and outputs stay as they are.

    ``fp32``: patterns (``fnmatch``) of node names, or of operators after ``op:``, that stay in float32. Raises ``BuildError`` for
    a pattern that fits no node, and for a weight that float16 cannot hold.
    """
    unused = [pattern for pattern in fp32 if not any(kept(node, [pattern]) for node in model.graph.node)]
    if unused:
        raise BuildError(f"the fp32 list names what the graph has not: {', '.join(unused)}; correct it in the model's model.toml")
    work = _Typing(model)
    for node in model.graph.node:
        work.add(node, TensorProto.FLOAT if kept(node, fp32) else TensorProto.FLOAT16)
    return work.result()


def kept(node: Any, patterns: Sequence[str]) -> bool:
    """Whether a node stays in float32."""
    return any(
        node.op_type == pattern.removeprefix(OPERATOR) if pattern.startswith(OPERATOR) else fnmatchcase(node.name, pattern)
        for pattern in patterns
    )


class _Typing:
    """The graph while it is written anew, node by node."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
        self._types = {
            item.name: item.type.tensor_type.elem_type for item in (*inferred.value_info, *inferred.input, *inferred.output)
        }
        self._weights = {item.name: item for item in model.graph.initializer}
        self._types |= {name: item.data_type for name, item in self._weights.items()}
        self._outputs = {item.name for item in model.graph.output}
        self._nodes: list[Any] = []
        self._made: dict[tuple[str, int], str] = {}
        self._halves: dict[str, Any] = {}

    def add(self, node: Any, precision: int) -> None:
        """Take a node over, with its floats in a precision."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        floats = [name for name in node.input if name and self._is_float(name)]
        if not floats or node.op_type == "Cast":
            precision = TensorProto.FLOAT  # a constant; what comes from integers keeps all of its bits
        else:
            exempt = FLOAT_ONLY.get(node.op_type, frozenset())
            for place, name in enumerate(node.input):
                if name and self._is_float(name):
                    copy.input[place] = self._as(name, TensorProto.FLOAT if place in exempt else precision)
        self._nodes.append(copy)
        for place, name in enumerate(node.output):
            if name and self._is_float(name):
                self._types[name] = precision
                if name in self._outputs and precision == TensorProto.FLOAT16:
                    copy.output[place] = f"{name}/half"
                    self._nodes.append(helper.make_node("Cast", [f"{name}/half"], [name], f"{name}/cast", to=TensorProto.FLOAT))
                    self._made[name, TensorProto.FLOAT16] = f"{name}/half"
                    self._types[name] = TensorProto.FLOAT

    def result(self) -> onnx.ModelProto:
        """The whole model, checked."""
        used = {name for node in self._nodes for name in node.input}
        graph = helper.make_graph(
            self._nodes,
            self._model.graph.name,
            list(self._model.graph.input),
            list(self._model.graph.output),
            [item for item in (*self._weights.values(), *self._halves.values()) if item.name in used],
        )
        made = helper.make_model(graph, opset_imports=list(self._model.opset_import), ir_version=self._model.ir_version)
        onnx.checker.check_model(made, full_check=True)
        return made

    def _is_float(self, name: str) -> bool:
        try:
            return self._types[name] in (TensorProto.FLOAT, TensorProto.FLOAT16)
        except KeyError:
            raise BuildError(f"the type of {name} cannot be inferred: the graph is not whole") from None

    def _as(self, name: str, precision: int) -> str:
        """The tensor in a precision: itself, a weight converted once, or a cast."""
        if self._types[name] == precision:
            return name
        if (name, precision) not in self._made:
            half = precision == TensorProto.FLOAT16
            made = f"{name}/{'half' if half else 'float'}"
            if half and name in self._weights:
                self._halves[made] = _half(self._weights[name], made)
            else:
                self._nodes.append(helper.make_node("Cast", [name], [made], f"{made}/cast", to=precision))
            self._made[name, precision] = made
        return self._made[name, precision]


def _half(weight: Any, name: str) -> Any:
    values = numpy_helper.to_array(weight)
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= HALF_MAX:
        raise BuildError(
            f"weight {weight.name} holds {largest:.3g}, float16 at most {HALF_MAX:.0f}: name its node in the fp32 list"
        )
    return numpy_helper.from_array(values.astype(np.float16), name)
